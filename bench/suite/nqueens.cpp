// nqueens [THREADS] [N]: counts the ways to place N queens on a board, 14 unless said otherwise, so that none attacks another; a task
// for every safe placement of a queen.

#include "problems.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/pool/co_spawn.hpp>

#include <ranges>

namespace {

template <std::size_t N>
tandem::task<int> nqueens(int rows, std::array<char, N> columns)
{
    if (rows == static_cast<int>(N))
        co_return 1;
    tandem::inplace_vector<tandem::task<int>, N> children;
    const auto safe = [&](int q) { return suite::is_safe(columns, rows, q); };
    for (const int q : std::views::iota(0, static_cast<int>(N)) | std::views::filter(safe)) {
        columns[static_cast<std::size_t>(rows)] = static_cast<char>(q);
        children.push_back(nqueens(rows + 1, columns));
    }
    const auto counts = co_await tandem::when_all(std::move(children));
    co_return std::accumulate(counts.begin(), counts.end(), 0);
}

} // namespace

int main(int argc, char** argv)
{
    return suite::nqueens_main(argc, argv, [](std::size_t threads) {
        return
            [pool = tandem::thread_pool(threads)](const auto& empty) mutable { return tandem::sync_wait(pool, nqueens(0, empty)); };
    });
}
