#pragma once
// sleep_for, sleep_until and yield need nothing of Asio's headers; this is where one looks for them among the I/O.

#include <tandem/sync/sleep.hpp>
