#include "support/tasks.hpp"
#include "support/tracked.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/task/sync_wait.hpp>
#include <tandem/trace/observer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

task<int&> same(int& i) { co_return i; }

task<int> number_after(manual_context& manual, std::chrono::nanoseconds d, int n)
{
    co_await manual.sleep_for(d);
    co_return n;
}

template <class E>
task<int> fails_after(manual_context& manual, std::chrono::nanoseconds d, E e)
{
    co_await manual.sleep_for(d);
    throw e;
}

// What a child notes of its life.
struct diary {
    bool started = false;
    bool asked_to_stop = false;
    bool ended = false;
};
task<int> sleeps_and_notes(manual_context& manual, std::chrono::nanoseconds d, diary& notes)
{
    notes.started = true;
    std::exception_ptr stopped;
    try {
        co_await manual.sleep_for(d);
    }
    catch (const operation_cancelled&) {
        stopped = std::current_exception();
    }
    notes.asked_to_stop = (co_await this_task::stop_token()).stop_requested();
    co_await manual.yield(); // takes its time to end
    notes.ended = true;
    if (stopped)
        std::rethrow_exception(stopped);
    co_return 0;
}

// What the text of the first error is, or nothing.
template <class A>
task<std::string> error_of(A a)
{
    try {
        co_await std::move(a);
    }
    catch (const std::exception& e) {
        co_return e.what();
    }
    co_return "";
}

// Keeps what is superseded while it lives.
class superseded final : public observer {
public:
    superseded() : before_(set_observer(this)) {}
    ~superseded() override { set_observer(before_); }
    void error_superseded(const std::exception_ptr& e) noexcept override
    {
        const std::lock_guard lock(m_);
        try {
            std::rethrow_exception(e);
        }
        catch (const std::exception& x) {
            texts.emplace_back(x.what());
        }
    }
    std::vector<std::string> texts;

private:
    std::mutex m_;
    observer* before_;
};

} // namespace

// --- what it gives -----------------------------------------------------------------------------

static_assert(std::is_same_v<await_result_t<decltype(when_all(number(1), text("")))>, std::tuple<int, std::string>>);
static_assert(std::is_same_v<await_result_t<decltype(when_all(nothing(), number(1)))>, std::tuple<std::monostate, int>>);
static_assert(std::is_same_v<await_result_t<decltype(when_all())>, std::tuple<>>);
static_assert(std::is_same_v<await_result_t<decltype(when_all(std::vector<task<int>>()))>, std::vector<int>>);
static_assert(
    std::is_same_v<await_result_t<decltype(when_all(std::vector<task<int&>>()))>, std::vector<std::reference_wrapper<int>>>);
static_assert(std::is_void_v<await_result_t<decltype(when_all(std::vector<task<>>()))>>);
static_assert(
    std::is_same_v<await_result_t<decltype(when_all_settled(number(1), nothing()))>, std::tuple<outcome<int>, outcome<void>>>);
static_assert(std::is_same_v<await_result_t<decltype(when_all_settled(std::vector<task<int>>()))>, std::vector<outcome<int>>>);

TASK_TEST_CASE("when_all gives a tuple of the values, in the order of the tasks")
{
    auto [a, b, c] = co_await when_all(number_after(manual, 3s, 1), text("two"), number_after(manual, 1s, 3));
    CHECK(a == 1);
    CHECK(b == "two");
    CHECK(c == 3);
    CHECK(manual.now() == 3s); // all at once, not one after the other
}

TASK_TEST_CASE("nothing, values and references may be mixed")
{
    int object = 1;
    auto [none, reference, value] = co_await when_all(nothing(), same(object), number(2));
    static_assert(std::is_same_v<decltype(none), std::monostate>);
    CHECK(&reference == &object);
    CHECK(value == 2);
}

TASK_TEST_CASE("when_all of nothing is done at once, of one task gives its value")
{
    const std::tuple<> none = co_await when_all();
    CHECK(none == std::tuple<>());
    const auto [one] = co_await when_all(number(1));
    CHECK(one == 1);
    const std::vector<int> no_values = co_await when_all(std::vector<task<int>>());
    CHECK(no_values.empty());
    co_await when_all(std::vector<task<>>());
}

TASK_TEST_CASE("when_all of an array gives an array")
{
    std::array<task<int>, 3> tasks{number(1), number(2), number(3)};
    const std::array<int, 3> values = co_await when_all(std::move(tasks));
    CHECK(values == std::array{1, 2, 3});

    int a = 1;
    int b = 2;
    std::array<task<int&>, 2> references{same(a), same(b)};
    const std::array<std::reference_wrapper<int>, 2> back = co_await when_all(std::move(references));
    CHECK(&back[1].get() == &b);

    std::array<task<>, 2> nothings{nothing(), nothing()};
    co_await when_all(std::move(nothings));

    std::array<task<int>, 2> mixed{number(1), fails_after(manual, 1s, std::out_of_range("no"))};
    const std::array<outcome<int>, 2> outcomes = co_await when_all_settled(std::move(mixed));
    CHECK(*outcomes[0] == 1);
    CHECK(outcomes[1].has_error());
}

TASK_TEST_CASE("when_all of an inplace_vector gives one")
{
    inplace_vector<task<int>, 5> tasks;
    for (int k = 0; k < 3; ++k)
        tasks.push_back(number_after(manual, std::chrono::seconds(3 - k), k));
    const inplace_vector<int, 5> values = co_await when_all(std::move(tasks));
    CHECK(values == inplace_vector<int, 5>{0, 1, 2});

    const inplace_vector<int, 5> no_values = co_await when_all(inplace_vector<task<int>, 5>());
    CHECK(no_values.empty());

    inplace_vector<task<>, 2> nothings;
    nothings.push_back(nothing());
    co_await when_all(std::move(nothings));

    inplace_vector<task<int>, 3> mixed;
    mixed.push_back(number(1));
    mixed.push_back(fails_after(manual, 1s, std::out_of_range("no")));
    const inplace_vector<outcome<int>, 3> outcomes = co_await when_all_settled(std::move(mixed));
    REQUIRE(outcomes.size() == 2);
    CHECK(*outcomes[0] == 1);
    CHECK(outcomes[1].has_error());
}

TASK_TEST_CASE("when_all of a span awaits the tasks where they lie")
{
    std::array<task<int>, 3> three{number(1), number(2), number(3)};
    const std::span all(three);
    const std::array<int, 3> values = co_await when_all(all);
    CHECK(values == std::array{1, 2, 3});
    CHECK(std::ranges::all_of(three, [](const task<int>& t) { return static_cast<bool>(t); })); // ended, and still theirs

    std::vector<task<int>> some;
    for (int k = 0; k < 5; ++k)
        some.push_back(number(k));
    const std::vector<int> of_some = co_await when_all(std::span(some).subspan(1, 3));
    CHECK(of_some == std::vector{1, 2, 3});
    CHECK(co_await std::move(some[4]) == 4); // not one of them

    std::array<task<>, 2> nothings{nothing(), nothing()};
    co_await when_all(std::span(nothings));

    std::array<task<int>, 2> mixed{number(1), fails_after(manual, 1s, std::out_of_range("no"))};
    const std::array<outcome<int>, 2> outcomes = co_await when_all_settled(std::span(mixed));
    CHECK(*outcomes[0] == 1);
    CHECK(outcomes[1].has_error());
}

TASK_TEST_CASE("when_all of a range gives a vector in its order")
{
    std::vector<task<int>> tasks;
    for (int k = 0; k < 100; ++k)
        tasks.push_back(number_after(manual, std::chrono::seconds(100 - k), k));
    const std::vector<int> values = co_await when_all(std::move(tasks));
    REQUIRE(values.size() == 100);
    bool in_order = true;
    for (int k = 0; k < 100; ++k)
        in_order = in_order && values[static_cast<std::size_t>(k)] == k;
    CHECK(in_order);
    CHECK(manual.now() == 100s);

    std::vector<int> objects{1, 2, 3};
    std::deque<task<int&>> references;
    for (int& o : objects)
        references.push_back(same(o));
    const std::vector<std::reference_wrapper<int>> back = co_await when_all(std::move(references));
    REQUIRE(back.size() == 3);
    CHECK(&back[2].get() == &objects[2]);

    int ran = 0;
    const auto count = [](int& n) -> task<> {
        ++n;
        co_return;
    };
    std::vector<task<>> nothings;
    for (int k = 0; k < 5; ++k)
        nothings.push_back(count(ran));
    co_await when_all(std::move(nothings));
    CHECK(ran == 5);
}

TASK_TEST_CASE("when_all may be nested, kept, and made a task of")
{
    auto inner = when_all(number(1), number(2));
    auto [a, b] = co_await when_all(std::move(inner), when_all(number(3), when_all(number(4))));
    CHECK(a == std::tuple(1, 2));
    CHECK(b == std::tuple(3, std::tuple(4)));
    auto as_one = as_task(when_all(number(5), number(6)));
    const auto pair = co_await std::move(as_one);
    CHECK(pair == std::tuple(5, 6));
}

TASK_TEST_CASE("values are moved, not copied, and what can only be moved may be given")
{
    tally t;
    const auto make = [](tally& counts, int v) -> task<tracked> { co_return tracked(counts, v); };
    {
        auto [a, b] = co_await when_all(make(t, 1), make(t, 2));
        CHECK(a.value == 1);
        CHECK(b.value == 2);
        CHECK(t.alive == 2);
    }
    {
        std::vector<task<tracked>> tasks;
        tasks.push_back(make(t, 3));
        tasks.push_back(make(t, 4));
        const std::vector<tracked> v = co_await when_all(std::move(tasks));
        CHECK(v[1].value == 4);
        CHECK(t.alive == 2);
    }
    CHECK(t.alive == 0);
    CHECK(t.copies == 0);
    const auto pointer = [](int n) -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(n); };
    auto [p, q] = co_await when_all(pointer(5), pointer(6));
    CHECK(*p + *q == 11);
}

/// Throws when it is moved for the last of so many times.
struct breakable {
    explicit breakable(int& m) noexcept : moves(&m) {}
    breakable(breakable&& other) : moves(other.moves)
    {
        if (--*moves == 0)
            throw std::runtime_error("moved once too often");
    }
    int* moves;
};

TASK_TEST_CASE("the children are gone when their values have been taken, or could not be")
{
    tally t;
    const auto makes = [](tracked, int& moves) -> task<breakable> { co_return breakable(moves); };
    int all_moves = 100;
    {
        auto both = when_all(makes(tracked(t), all_moves), makes(tracked(t), all_moves));
        co_await std::move(both);
    }
    all_moves = 100 - all_moves;
    CHECK(all_moves <= 6);                                             // into the task, out of it, into the tuple
    for (int breaks_at = 3; breaks_at <= all_moves + 1; ++breaks_at) { // as the first value is taken, the second, or never
        int moves = breaks_at;
        auto a = makes(tracked(t), moves);
        auto b = makes(tracked(t), moves);
        CHECK(t.alive == 2);
        std::string what;
        try {
            auto both = when_all(std::move(a), std::move(b));
            const auto values = co_await std::move(both);
            CHECK(std::get<0>(values).moves == &moves);
            CHECK(t.alive == 0);
        }
        catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(what == (breaks_at <= all_moves ? "moved once too often" : ""));
        CHECK(t.alive == 0);
    }
}

TASK_TEST_CASE("the children run concurrently in the context of the parent, the first one at once")
{
    std::vector<int> order;
    const auto notes = [](std::vector<int>& list, int n) -> task<> {
        list.push_back(n);
        co_return;
    };
    co_await when_all(notes(order, 1), notes(order, 2), notes(order, 3));
    CHECK(order == std::vector{1, 2, 3});
    std::string letters;
    const auto step = [](manual_context& m, std::string& list, char name, std::chrono::seconds d) -> task<> {
        list += name;
        co_await m.sleep_for(d);
        list += static_cast<char>(name - 'a' + 'A');
    };
    co_await when_all(step(manual, letters, 'a', 3s), step(manual, letters, 'b', 1s), step(manual, letters, 'c', 2s));
    CHECK(letters == "abcBCA");
    const auto where = []() -> task<context*> { co_return (co_await this_task::current_environment()).ctx; };
    auto [a, b] = co_await when_all(where(), where());
    CHECK(a == &manual);
    CHECK(b == &manual);
}

TEST_CASE("a when_all that is not awaited runs nothing, and destroys its tasks")
{
    tally t;
    const auto takes = [](tracked) -> task<> { co_return; };
    {
        const auto unstarted = when_all(takes(tracked(t)), takes(tracked(t)));
        CHECK(t.alive == 2);
    }
    CHECK(t.alive == 0);
}

// --- errors ------------------------------------------------------------------------------------

TASK_TEST_CASE("the first error is rethrown as it was thrown, when all have ended")
{
    diary slow;
    bool caught = false;
    try {
        co_await when_all(sleeps_and_notes(manual, 1h, slow), fails_after(manual, 1s, std::out_of_range("first")));
    }
    catch (const std::out_of_range& e) {
        caught = e.what() == std::string("first");
    }
    CHECK(caught);
    CHECK(slow.started);
    CHECK(slow.asked_to_stop);
    CHECK(slow.ended);
    CHECK(manual.now() == 1s); // it was woken, and did not sleep to its end
}

TASK_TEST_CASE("siblings see the stop request whether they look or sleep, the parent does not")
{
    bool seen = false;
    const auto looks = [](manual_context& m, bool& saw) -> task<> {
        const stop_token stop = co_await this_task::stop_token();
        while (!stop.stop_requested())
            co_await m.yield();
        saw = true;
    };
    const auto fails = [](manual_context& m) -> task<> {
        for (int k = 0; k < 5; ++k)
            co_await m.yield();
        throw std::runtime_error("failed");
    };
    const std::string error = co_await error_of(when_all(looks(manual, seen), fails(manual)));
    CHECK(error == "failed");
    CHECK(seen);
    CHECK_FALSE((co_await this_task::stop_token()).stop_requested());
    co_await manual.sleep_for(1s);
}

TASK_TEST_CASE("a stop reaches into what the siblings await, however deep")
{
    diary one;
    diary two;
    const auto deep = [](manual_context& m, diary& a, diary& b) -> task<> {
        co_await when_all(when_all(sleeps_and_notes(m, 1h, a), nothing()), sleeps_and_notes(m, 2h, b));
    };
    const std::string error =
        co_await error_of(when_all(deep(manual, one, two), fails_after(manual, 1s, std::runtime_error("failed"))));
    CHECK(error == "failed");
    CHECK(one.ended);
    CHECK(two.ended);
    CHECK(manual.now() == 1s);
}

TASK_TEST_CASE("children that have not begun when one fails are not started")
{
    const auto fails_at_once = []() -> task<int> {
        throw std::runtime_error("at once");
        co_return 0;
    };
    diary never;
    tally t;
    const auto takes = [](tracked, diary& d) -> task<> {
        d.started = true;
        co_return;
    };
    const std::string error =
        co_await error_of(when_all(fails_at_once(), sleeps_and_notes(manual, 1h, never), takes(tracked(t), never)));
    CHECK(error == "at once");
    CHECK_FALSE(never.started);
    CHECK(t.alive == 0);

    std::vector<task<int>> many;
    many.push_back(fails_at_once());
    for (int k = 0; k < 10; ++k)
        many.push_back(sleeps_and_notes(manual, 1h, never));
    const std::string of_many = co_await error_of(when_all(std::move(many)));
    CHECK(of_many == "at once");
    CHECK_FALSE(never.started);
}

TASK_TEST_CASE("later errors go to the observer, each once, but not that a child was cancelled")
{
    superseded later;
    const std::string error = co_await error_of(when_all(
        fails_after(manual, 3s, std::runtime_error("third")), fails_after(manual, 1s, std::runtime_error("first")), number(1)));
    CHECK(error == "first");
    CHECK(later.texts.empty()); // the third was woken by the stop request

    const auto stubborn = [](manual_context& m, const char* what) -> task<> {
        for (int k = 0; k < 3; ++k)
            co_await m.yield();
        throw std::runtime_error(what);
    };
    later.texts.clear();
    const std::string again = co_await error_of(when_all(stubborn(manual, "a"), stubborn(manual, "b"), stubborn(manual, "c")));
    CHECK(again == "a");
    CHECK(later.texts == std::vector<std::string>{"b", "c"});
}

TEST_CASE("a stop request from above reaches every child, and ends the whole")
{
    manual_context manual;
    stop_source stop;
    diary one;
    diary two;
    const auto stops = [&]() -> task<int> {
        co_await manual.sleep_for(1s);
        stop.request_stop();
        co_return 1;
    };
    auto all = when_all(sleeps_and_notes(manual, 1h, one), stops(), sleeps_and_notes(manual, 2h, two));
    CHECK_THROWS_AS(manual.run(std::move(all), stop.get_token()), operation_cancelled);
    CHECK(one.asked_to_stop);
    CHECK(two.asked_to_stop);
    CHECK(one.ended);
    CHECK(two.ended);
    CHECK(manual.now() == 1s);
}

TASK_TEST_CASE("a when_all may fail and another be tried")
{
    for (int k = 0; k < 3; ++k) {
        const std::string error = co_await error_of(when_all(number(1), fails_after(manual, 1s, std::runtime_error("again"))));
        CHECK(error == "again");
    }
    auto [a, b] = co_await when_all(number(1), number(2));
    CHECK(a + b == 3);
}

// --- when_all_settled --------------------------------------------------------------------------

TASK_TEST_CASE("when_all_settled gives what became of each, and stops nobody")
{
    superseded later;
    diary slow;
    int object = 0;
    auto [failed, value, none, reference, slept] = co_await when_all_settled(fails_after(manual, 1s, std::out_of_range("failed")),
        number(2), nothing(), same(object), sleeps_and_notes(manual, 1h, slow));
    CHECK(failed.has_error());
    CHECK_THROWS_WITH_AS(failed.value(), "failed", std::out_of_range);
    CHECK(value.value() == 2);
    CHECK(none.has_value());
    CHECK(&reference.value() == &object);
    CHECK(slept.has_value());
    CHECK_FALSE(slow.asked_to_stop);
    CHECK(manual.now() == 1h);
    CHECK(later.texts.empty()); // none was lost
}

TASK_TEST_CASE("when_all_settled of a range, of nothing, and nested in when_all")
{
    std::vector<task<int>> tasks;
    for (int k = 0; k < 10; ++k)
        if (k % 3 == 0)
            tasks.push_back(fails_after(manual, std::chrono::seconds(k), std::runtime_error(std::to_string(k))));
        else
            tasks.push_back(number_after(manual, std::chrono::seconds(k), k));
    auto outcomes = co_await when_all_settled(std::move(tasks));
    REQUIRE(outcomes.size() == 10);
    for (int k = 0; k < 10; ++k) {
        auto& o = outcomes[static_cast<std::size_t>(k)];
        if (k % 3 == 0)
            CHECK_THROWS_WITH_AS(o.value(), std::to_string(k).c_str(), std::runtime_error);
        else
            CHECK(o.value() == k);
    }
    const std::vector<outcome<int>> no_outcomes = co_await when_all_settled(std::vector<task<int>>());
    CHECK(no_outcomes.empty());
    const std::tuple<> none = co_await when_all_settled();
    CHECK(none == std::tuple<>());
}

TEST_CASE("a stop request from above does reach the children of when_all_settled")
{
    manual_context manual;
    stop_source stop;
    diary one;
    const auto stops = [&]() -> task<> {
        stop.request_stop();
        co_return;
    };
    auto [slept, other] = manual.run(when_all_settled(sleeps_and_notes(manual, 1h, one), stops()), stop.get_token());
    CHECK(slept.has_error());
    CHECK(other.has_value());
    CHECK(one.asked_to_stop);
}

// --- elsewhere ---------------------------------------------------------------------------------

TEST_CASE("when_all awaited by a foreign coroutine")
{
    struct foreign {
        struct promise_type {
            foreign get_return_object() noexcept { return {}; }
            static std::suspend_never initial_suspend() noexcept { return {}; }
            static std::suspend_never final_suspend() noexcept { return {}; }
            void return_void() noexcept {}
            void unhandled_exception() noexcept { std::terminate(); }
        };
    };
    one_shot_event e;
    int sum = 0;
    const auto waits = [](one_shot_event& event) -> task<int> {
        co_await event;
        co_return 1;
    };
    const auto awaits = [&]() -> foreign {
        auto [a, b, c] = co_await when_all(number(1), waits(e), when_all(number(1), number(1)));
        sum = a + b + std::get<0>(c) + std::get<1>(c);
    };
    awaits();
    CHECK(sum == 0);
    e.set();
    CHECK(sum == 4);
}

TEST_CASE("an error within when_all awaited by a foreign coroutine, with siblings that wait deep within")
{
    struct foreign {
        struct promise_type {
            foreign get_return_object() noexcept { return {}; }
            static std::suspend_never initial_suspend() noexcept { return {}; }
            static std::suspend_never final_suspend() noexcept { return {}; }
            void return_void() noexcept {}
            void unhandled_exception() noexcept { std::terminate(); }
        };
    };
    one_shot_event never;
    one_shot_event e;
    std::string error;
    const auto waits = [](one_shot_event& event) -> task<int> {
        co_await event;
        co_return 1;
    };
    const auto fails_when = [](one_shot_event& event) -> task<int> {
        co_await event;
        throw std::runtime_error("failed");
    };
    const auto awaits = [&]() -> foreign {
        try {
            co_await when_all(when_all(when_all(waits(never))), fails_when(e));
        }
        catch (const std::runtime_error& x) {
            error = x.what();
        }
    };
    awaits();
    CHECK(error.empty());
    e.set();
    CHECK(error == "failed");
}

TEST_CASE("the same on a pool, in plain sync_wait, and spawned as it is")
{
    thread_pool pool(2);
    for (int round = 0; round < 100; ++round) {
        const auto fails = []() -> task<int> {
            throw std::runtime_error("failed");
            co_return 0;
        };
        auto [a, b, c] = sync_wait(pool, when_all(number(1), nothing(), text("three")));
        CHECK(a == 1);
        CHECK(c == "three");
        auto [d, e] = sync_wait(when_all(number(4), number(5)));
        CHECK(d + e == 9);
        CHECK_THROWS_WITH_AS(sync_wait(pool, when_all(number(1), fails(), number(2))), "failed", std::runtime_error);
        CHECK_THROWS_WITH_AS(sync_wait(when_all(number(1), fails(), number(2))), "failed", std::runtime_error);
        auto spawned = co_spawn(pool, when_all(number(6), number(7)));
        CHECK(spawned.get() == std::tuple(6, 7));
        auto settled = sync_wait(pool, when_all_settled(fails(), number(8)));
        CHECK(std::get<0>(settled).has_error());
        CHECK(std::get<1>(settled).value() == 8);
    }
}

namespace {

/// Child number `k`: fails if it is `failing`; first lets others go if `waits`.
task<int> child(int k, int failing, bool waits)
{
    if (waits)
        co_await yield();
    if (k == failing)
        throw std::out_of_range("child " + std::to_string(k));
    co_return k;
}

} // namespace

TEST_CASE("an error comes out from whichever child, the last as well, inline or stolen, waiting or not")
{
    for (const std::size_t threads : {1, 2, 3}) {
        thread_pool pool(threads);
        for (int round = 0; round < 300; ++round)
            for (int waiting = -1; waiting < 3; ++waiting)
                for (int failing = 0; failing < 3; ++failing) {
                    const std::string what = "child " + std::to_string(failing);
                    INFO("of three, " << waiting << " waits; " << what << " fails");
                    const auto make = [&](int k) { return child(k, failing, k == waiting); };
                    CHECK_THROWS_WITH_AS(sync_wait(pool, when_all(make(0), make(1), make(2))), what.c_str(), std::out_of_range);
                    std::array<task<int>, 3> some{make(0), make(1), make(2)};
                    CHECK_THROWS_WITH_AS(sync_wait(pool, when_all(std::span(some))), what.c_str(), std::out_of_range);
                    std::vector<task<int>> many;
                    for (int k = 0; k < 3; ++k)
                        many.push_back(make(k));
                    CHECK_THROWS_WITH_AS(sync_wait(pool, when_all(std::move(many))), what.c_str(), std::out_of_range);
                    auto [a, b, c] = sync_wait(pool, when_all_settled(make(0), make(1), make(2)));
                    CHECK(a.has_error() + b.has_error() * 2 + c.has_error() * 4 == 1 << failing);
                    if (failing == 0)
                        CHECK_THROWS_WITH_AS(sync_wait(pool, when_all(make(0))), what.c_str(), std::out_of_range);
                    else // and who awaits it is told as well
                        CHECK_THROWS_WITH_AS(sync_wait(pool, when_all(when_all(make(0), make(1)), when_all(make(1), make(2)))),
                            what.c_str(), std::out_of_range);
                }
    }
}
