#include <tandem/io/use_task.hpp>
#include <tandem/pool/co_spawn.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/post.hpp>
#include <doctest/doctest.h>

#include <stdexcept>
#include <utility>

using namespace tandem;

TEST_CASE("what the move of a result throws comes out of the await")
{
    struct bomb {
        bomb() = default;
        bomb(const bomb&) = default;
        bomb(bomb&& other) : moves(other.moves - 1)
        {
            if (moves == 0)
                throw std::runtime_error("moved once too often");
        }
        int moves = 100;
    };
    thread_pool pool{1};
    int thrown = 0;
    // As many moves as there are on the way, and then some: wherever it throws, the task learns of it or the operation does not begin.
    for (int moves = 1; moves < 30; ++moves) {
        const auto waits = [](asio::any_io_executor ex, int n) -> task<bool> {
            // The value is made where the handler is called, so that only its way to the task counts.
            auto operation = asio::async_initiate<const use_task_t&, void(bomb)>(
                [ex, n](auto handler) {
                    asio::post(ex, [h = std::move(handler), n]() mutable {
                        bomb b;
                        b.moves = n;
                        try {
                            std::move(h)(std::move(b));
                        }
                        catch (const std::runtime_error&) {
                            // the argument itself could not be made: the handler goes uncalled
                        }
                    });
                },
                use_task);
            try {
                co_await std::move(operation);
                co_return false;
            }
            catch (const std::runtime_error&) { // also when the handler went uncalled, which is an operation_cancelled
                co_return true;
            }
        };
        if (sync_wait(pool, waits(pool.get_executor(), moves)))
            ++thrown;
        else
            break;
    }
    CHECK(thrown >= 3);
}
