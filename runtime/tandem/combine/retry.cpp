#include <tandem/base/deadline.hpp>
#include <tandem/base/errc.hpp>
#include <tandem/combine/retry.hpp>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>

namespace tandem::detail {

namespace {

void require(bool condition, const char* option, const std::string& wanted, const std::string& value)
{
    if (!condition)
        throw std::invalid_argument(std::string("retry: ") + option + " must be " + wanted + ", not " + value);
}

/// Between -1 and 1. Good enough to keep clients apart, and cheap: splitmix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
/// Generators", OOPSLA 2014) on a counter that all share, begun at a time.
double random_share(std::int64_t now)
{
    static std::atomic<std::uint64_t> counter{static_cast<std::uint64_t>(now)};
    std::uint64_t z = counter.fetch_add(0x9e3779b97f4a7c15u, std::memory_order_relaxed);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return static_cast<double>(z >> 11) * 0x1p-52 - 1;
}

} // namespace

backoff::backoff(retry_policy p) : policy_(std::move(p)), delay_ns_(static_cast<double>(policy_.delay.count()))
{
    const auto ns = [](std::chrono::nanoseconds d) { return std::to_string(d.count()) + " ns"; };
    require(policy_.max_attempts > 0, "max_attempts", "at least 1", std::to_string(policy_.max_attempts));
    require(policy_.delay.count() >= 0, "delay", "0 or more", ns(policy_.delay));
    require(policy_.max_delay.count() >= 0, "max_delay", "0 or more", ns(policy_.max_delay));
    require(policy_.max_elapsed.count() >= 0, "max_elapsed", "0 or more", ns(policy_.max_elapsed));
    require(policy_.multiplier >= 1 && policy_.multiplier < 1e9, "multiplier", "at least 1", std::to_string(policy_.multiplier));
    require(policy_.jitter >= 0 && policy_.jitter <= 1, "jitter", "between 0 and 1", std::to_string(policy_.jitter));
}

std::chrono::nanoseconds backoff::after(const std::exception_ptr& error, const environment& env)
{
    if (++attempts_ >= policy_.max_attempts || env.stop.stop_requested() || (policy_.retry_if && !policy_.retry_if(error)))
        std::rethrow_exception(error);
    const auto most = static_cast<double>(policy_.max_delay.count());
    const double pause = std::min(delay_ns_, most);
    delay_ns_ = std::min(delay_ns_ * policy_.multiplier, most);
    const std::int64_t now = env.ctx->now_ns();
    const double share = policy_.jitter > 0 ? policy_.jitter * random_share(now) : 0;
    const auto ns = static_cast<std::int64_t>(std::min(pause * (1 + share), 4e18));
    if (policy_.max_elapsed.count() > 0 && later_by(now, ns) - start_ns_ > policy_.max_elapsed.count())
        std::rethrow_exception(error);
    return std::chrono::nanoseconds(ns);
}

} // namespace tandem::detail
