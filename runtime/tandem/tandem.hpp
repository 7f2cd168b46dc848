#pragma once
// Everything but io/ and process/, whose headers are included one by one.

#include <tandem/base/errc.hpp>
#include <tandem/base/outcome.hpp>
#include <tandem/base/unique_function.hpp>
#include <tandem/cancel/stop_token.hpp>
#include <tandem/combine/map.hpp>
#include <tandem/combine/when_all.hpp>
#include <tandem/pool/args.hpp>
#include <tandem/pool/async_result.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/imap.hpp>
#include <tandem/pool/options.hpp>
#include <tandem/pool/start_thread.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/channel.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/latch.hpp>
#include <tandem/sync/mutex.hpp>
#include <tandem/sync/semaphore.hpp>
#include <tandem/task/sync_wait.hpp>
#include <tandem/task/task.hpp>
#include <tandem/trace/observer.hpp>
