#pragma once

#include <tandem/task/task.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace measure {

/// One piece of work; plain data, so that it may also cross to another process.
struct item {
    std::uint64_t number = 0;     // what is asked of the server
    std::uint16_t port = 0;       // where it listens
    std::uint32_t latency_ms = 0; // how long a timer takes
    std::uint32_t first = 0;      // count the primes from here
    std::uint32_t last = 0;       // to here, exclusive
};

/// The same work in two styles. The functions need nothing but their item and may run anywhere.
struct workload {
    const char* name;  // a word, for the JSON and in sentences
    std::string title; // with sizes, for the table
    std::vector<item> items;
    std::vector<std::uint64_t> answers;             // what each item must give, found out in another way
    std::uint64_t (*blocking)(item);                // blocks its thread while it waits
    tandem::task<std::uint64_t> (*coroutine)(item); // suspends while it waits
};

/// Timers, requests to the server on `port`, primes, and the service case: a request and then work on its answer.
[[nodiscard]] std::vector<workload> make_workloads(std::size_t items, std::chrono::milliseconds latency, std::uint16_t port);

} // namespace measure
