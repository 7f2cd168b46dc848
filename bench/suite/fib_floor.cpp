// fib_floor N: the recursive Fibonacci function as coroutines and nothing else, on one thread: frames from a stack of free blocks, the first
// child continues with the second and that one with the parent. No queue, no join, no errors, no stop requests. What fib takes more the runtime
// takes; what this takes is the compiler's part.

#include "problems.hpp"

#include <coroutine>
#include <exception>
#include <new>

namespace {

constexpr std::size_t most_blocks = 256;
void* blocks[most_blocks];
void** top = blocks; // behind the last block

struct number_task {
    struct promise_type {
        struct next_one {
            static constexpr bool await_ready() noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) const noexcept { return h.promise().next; }
            void await_resume() const noexcept {}
        };

        static void* operator new(std::size_t size) { return top == blocks ? ::operator new(size) : *--top; }
        static void operator delete(void* block, std::size_t) noexcept
        {
            if (top == blocks + most_blocks)
                ::operator delete(block);
            else
                *top++ = block;
        }
        number_task get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        static constexpr std::suspend_always initial_suspend() noexcept { return {}; }
        static constexpr next_one final_suspend() noexcept { return {}; }
        void return_value(std::size_t n) noexcept { value = n; }
        [[noreturn]] static void unhandled_exception() noexcept { std::terminate(); }

        std::coroutine_handle<> next;
        std::size_t value;
    };
    std::coroutine_handle<promise_type> handle;
};

struct sum_of_both {
    std::coroutine_handle<number_task::promise_type> first, second;

    static constexpr bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) const noexcept
    {
        first.promise().next = second;
        second.promise().next = parent;
        return first;
    }
    std::size_t await_resume() const noexcept
    {
        const std::size_t sum = first.promise().value + second.promise().value;
        first.destroy();
        second.destroy();
        return sum;
    }
};

sum_of_both both(number_task first, number_task second) { return {first.handle, second.handle}; }

number_task fib(std::size_t n)
{
    if (n < 2)
        co_return n;
    const std::size_t sum = co_await both(fib(n - 1), fib(n - 2));
    co_return sum;
}

} // namespace

int main(int argc, char** argv)
{
    return suite::fib_main(argc, argv, [](std::size_t) {
        return [](std::size_t n) {
            const number_task all = fib(n);
            all.handle.promise().next = std::noop_coroutine();
            all.handle.resume();
            const std::size_t result = all.handle.promise().value;
            all.handle.destroy();
            return result;
        };
    });
}
