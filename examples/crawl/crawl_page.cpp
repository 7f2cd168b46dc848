// What a crawler does for one site, and for one page of it.

#include "crawler.hpp"
#include "links.hpp"

#include <tandem/process/process_pool.hpp>

#include <fmt/core.h>

#include <algorithm>

namespace crawl {

namespace {

constexpr std::size_t large_page = 256u << 10;
constexpr std::size_t largest_robots = 512u << 10;

std::string_view product_of(std::string_view user_agent) { return user_agent.substr(0, user_agent.find_first_of("/ ")); }

struct counted {
    explicit counted(std::atomic<std::int64_t>& c) : count(c) { ++count; }
    ~counted() { --count; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    std::atomic<std::int64_t>& count;
};

/// A status that may be another one next time.
struct status_error : fetch_error {
    explicit status_error(long s) : fetch_error(fmt::format("HTTP {}", s), s == 429 || s >= 500), status(s) {}
    long status;
};

bool worth_a_retry(const std::exception_ptr& error)
{
    try {
        std::rethrow_exception(error);
    }
    catch (const fetch_error& e) {
        return e.transient;
    }
    catch (...) {
        return false;
    }
}

std::vector<std::string> links_elsewhere(const std::string& page, const std::string& type, const std::string& address)
{
    return links_of(page, type, url::parse(address).value()).urls;
}

} // namespace

// [crawl_serve]
// One after another, as fast as manners allow, the pages of a site are started.
tandem::task<> crawler::serve(site& s)
{
    const tandem::stop_token stop = co_await tandem::this_task::stop_token();
    try {
        co_await learn_manners(s);
        while (auto page = co_await s.queue.receive()) {
            co_await budget_.acquire();
            co_await s.slots.acquire();
            if (stop.stop_requested())
                co_return; // it stays in the queue of the manifest
            --progress_.queued;
            scope_->spawn(crawl_page(s, std::move(*page)));
        }
    }
    catch (const tandem::operation_cancelled&) {
        // closing
    }
}
// [/crawl_serve]

tandem::task<> crawler::learn_manners(site& s)
{
    if (options_.rate > 0)
        s.interval = std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 / options_.rate));
    url at = s.address.resolve("/robots.txt").value();
    try {
        for (int hops = 0; hops <= 5; ++hops) {
            const response got = co_await fetch_patiently(s, at.text(), largest_robots);
            if (got.status >= 300 && got.status < 400) {
                const auto next = at.resolve(got.location);
                if (!next)
                    break;
                at = *next;
                continue;
            }
            if (got.status >= 200 && got.status < 300)
                s.rules = robots::parse(got.content.view(), product_of(options_.fetching.user_agent));
            break; // others say that there is none
        }
        if (const auto delay = s.rules.crawl_delay())
            s.interval = std::max<std::chrono::nanoseconds>(s.interval, std::min(*delay, options_.longest_pause));
    }
    catch (const fetch_error& e) {
        s.refusal = fmt::format("robots.txt could not be read: {}", e.what());
    }
}

tandem::task<> crawler::crawl_page(site& s, queued_page page)
{
    page_record r;
    r.page = std::move(page);
    bool cancelled = false;
    try {
        co_await get(s, r);
    }
    catch (const tandem::operation_cancelled&) {
        cancelled = true; // it stays in the queue of the manifest
    }
    catch (const status_error& e) {
        r.status = e.status;
        r.error = e.what();
    }
    catch (const fetch_error& e) {
        r.error = e.what();
    }
    if (!cancelled)
        co_await results_.send(std::move(r));
}

// Fetches and examines a page that has a slot of its site.
tandem::task<> crawler::get(site& s, page_record& r)
{
    permit slot = s.slots.adopt();
    if (!s.refusal.empty())
        throw fetch_error(s.refusal, false);
    const url address = url::parse(r.page.url).value();
    if (!s.rules.allows(address.target())) {
        r.state = page_state::skipped;
        r.error = "disallowed by robots.txt";
        co_return;
    }
    response got = co_await fetch_patiently(s, r.page.url, options_.max_size);
    // The site can go on; but only so many pages at a time are in memory.
    r.waiting = co_await waiting_.acquire_scoped();
    slot.release();
    r.status = got.status;
    r.type = got.type;
    r.elapsed = got.elapsed;
    r.size = static_cast<std::int64_t>(got.content.size());
    if (got.status >= 300 && got.status < 400 && !got.location.empty())
        redirect(address, got, r);
    else if (got.status < 200 || got.status >= 300)
        throw status_error(got.status);
    else {
        auto examination = tandem::schedule_on(cpu_, examine(std::move(got), address, r));
        co_await std::move(examination);
    }
}

// A redirect is followed as a link is: once, and by all rules. So one that leads in a circle ends where it began.
void crawler::redirect(const url& address, const response& got, page_record& r)
{
    const auto to = address.resolve(got.location);
    if (!to)
        throw fetch_error(fmt::format("redirects to '{}'", got.location), false);
    if (r.page.hops >= options_.max_redirects)
        throw fetch_error(fmt::format("more than {} redirects", options_.max_redirects), false);
    r.state = page_state::redirect;
    r.error = to->text();
    if (r.page.depth == 0 && !territory_.excludes(r.error))
        territory_.add_host_of(r.error); // who asks for example.org means www.example.org too
    if (territory_.contains(r.error))
        r.links.push_back(r.error);
}

// [crawl_fetch_patiently]
// Fetches a page in its turn, and tries again when it fails for now.
tandem::task<response> crawler::fetch_patiently(site& s, std::string address, std::size_t max_bytes)
{
    const tandem::stop_token own = co_await tandem::this_task::stop_token();
    tandem::retry_policy policy{.max_attempts = options_.attempts, .delay = std::chrono::milliseconds(500), .multiplier = 2};
    policy.max_delay = options_.longest_pause;
    policy.retry_if = &worth_a_retry;
    auto patiently = tandem::retry(policy, [&] { return attempt(s, address, max_bytes, own); });
    // When the crawl closes, what waits for its turn does not get it any more.
    auto unless_closing = tandem::also_stopped_by(closing_.get_token(), std::move(patiently));
    co_return co_await std::move(unless_closing);
}
// [/crawl_fetch_patiently]

tandem::task<response> crawler::attempt(site& s, const std::string& address, std::size_t max_bytes, tandem::stop_token own)
{
    do { // again, when the server has asked for a rest meanwhile
        const auto turn = s.next_turn();
        co_await tandem::sleep_until(turn);
    } while (s.resting());
    const permit slot = co_await slots_.acquire_scoped();
    const counted under_way(progress_.in_flight);
    request wanted{.url = address, .max_bytes = max_bytes, .folder = archive_->parts_folder(), .keep_head = options_.warc};
    // What is under way when the crawl closes may end; unless it takes too long.
    auto fetching = tandem::also_stopped_by(cut_off_.get_token(), fetcher_.fetch(std::move(wanted)));
    auto to_its_end = tandem::with_stop_token(own, std::move(fetching));
    response got = co_await std::move(to_its_end);
    if (got.status == 429 || got.status >= 500) {
        if (got.retry_after)
            s.rest_until(site::clock::now() + std::min<std::chrono::milliseconds>(*got.retry_after, options_.longest_pause));
        throw status_error(got.status);
    }
    co_return got;
}

// On the CPU side: the hash, the links, the file.
tandem::task<> crawler::examine(response got, const url& address, page_record& r)
{
    r.state = page_state::stored;
    r.hash = sha256(got.content.view());
    if (has_links(got.type, got.content.view()) && (options_.depth < 0 || r.page.depth < options_.depth)) {
        auto links = links_of_page(got, address, r);
        r.links = co_await std::move(links);
        std::erase_if(r.links, [this](const std::string& u) { return !territory_.contains(u); });
    }
    if (options_.warc) {
        r.head = std::move(got.head);
        r.content = std::move(got.content);
    }
    else
        r.part = std::move(got.content).to_file();
}

tandem::task<std::vector<std::string>> crawler::links_of_page(const response& got, const url& address, page_record& r)
{
    if (got.content.size() > large_page) {
        r.large = co_await large_pages_.acquire_scoped();
    }
    if (!isolated_)
        co_return links_of(got.content.view(), got.type, address).urls;
    std::vector<std::string> links;
    try {
        auto elsewhere =
            isolated_->apply_async(&links_elsewhere, tandem::args(std::string(got.content.view()), got.type, address.text()));
        links = co_await std::move(elsewhere);
    }
    catch (const tandem::operation_cancelled&) {
        throw;
    }
    catch (const tandem::error& e) { // it died, or took too long: the page is stored all the same
        r.error = fmt::format("its links were not read: {}", e.what());
    }
    co_return links;
}

} // namespace crawl
