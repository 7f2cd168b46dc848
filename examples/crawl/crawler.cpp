#include "crawler.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <set>
#include <stdexcept>

namespace crawl {

namespace {

constexpr std::size_t window = 512;        // pages of a site in memory
constexpr std::size_t largest_batch = 512; // pages recorded in one transaction

// Links are followed as they come, so a page may be found on a detour first. Where the depth decides, one level waits for the other.
int first_level(const options& o) { return o.depth < 0 ? std::numeric_limits<int>::max() : 0; }

} // namespace

crawler::crawler(
    const options& o, tandem::thread_pool& io, tandem::thread_pool& cpu, tandem::process_pool* isolated, view& v, progress& p)
    : options_(o)
    , cpu_(cpu)
    , isolated_(isolated)
    , view_(v)
    , progress_(p)
    , territory_(o.hosts, o.include, o.exclude)
    , fetcher_(io.context(), o.fetching)
    , slots_(static_cast<std::ptrdiff_t>(o.concurrency))
    , level_(first_level(o))
{
}

// [crawl_run]
tandem::task<crawler::outcome> crawler::run(tandem::task<int> interrupt)
{
    auto opening = disk_.run([this] { return open(); });
    archive::report first = co_await std::move(opening);
    // The picture and the signal end with the crawl, whichever way it ends.
    auto everything = tandem::with_scope([&](tandem::task_scope& beside) -> tandem::task<> {
        beside.spawn(view_.run());
        beside.spawn(watch(std::move(interrupt)));
        co_await tandem::when_all(fetch_all(), record(std::move(first)));
        beside.cancel();
    });
    co_await std::move(everything);
    auto closing = disk_.run([this] {
        const auto counts = archive_->state().count();
        archive_.reset();
        return counts;
    });
    const auto counts = co_await std::move(closing);
    co_return outcome{counts, interrupted_};
}
// [/crawl_run]

tandem::task<> crawler::watch(tandem::task<int> interrupt)
{
    co_await std::move(interrupt);
    interrupted_ = true;
    progress_.stopping = true;
    closing_.request_stop();
    static_cast<void>(results_.try_send(std::nullopt)); // if there is no room, the recorder is awake anyway
    co_await tandem::sleep_for(options_.drain);
    cut_off_.request_stop();
}

// All sites and pages are tasks of one scope, which lasts until the last of them has ended.
tandem::task<> crawler::fetch_all()
{
    auto everything = tandem::with_scope([this](tandem::task_scope& scope) -> tandem::task<> {
        scope_ = &scope;
        begun_.set();
        co_await finished_.wait();
    });
    co_await std::move(everything);
    results_.close();
}

// The one who records. Pages come when they come; what has come meanwhile is one transaction.
// [crawl_record]
tandem::task<> crawler::record(archive::report first)
{
    std::vector<page_record> batch;
    co_await begun_.wait();
    take_in(first);
    bool more = true; // in the manifest, that can be taken at once
    for (;;) {
        if (!more) {
            auto result = co_await results_.receive();
            if (!result)
                co_return;
            for (; result; result = batch.size() < largest_batch ? results_.try_receive() : std::nullopt)
                if (*result) // else it was a signal
                    batch.push_back(std::move(**result));
        }
        const std::vector<archive::want> wanted = wants(batch);
        auto recording = disk_.run([&] { return archive_->record(batch, wanted, level_); });
        const archive::report report = co_await std::move(recording);
        for (const page_record& r : batch)
            recorded(r);
        batch.clear();
        more = !finished_.is_set() && go_on(report);
    }
}
// [/crawl_record]

// Sees to what comes next. Whether there is something to be taken from the manifest at once.
bool crawler::go_on(const archive::report& report)
{
    view_.flush();
    take_in(report);
    if (closing_.stop_requested() || (options_.max_pages > 0 && stored_ >= options_.max_pages)) {
        finish();
        return false;
    }
    if (outstanding_ > 0) {
        const auto hungry = [this](const archive::added& a) {
            const site& s = *sites_.at(a.site);
            return s.queued > 0 && s.queue.size() == 0;
        };
        return options_.depth < 0 && std::any_of(report.queued.begin(), report.queued.end(), hungry);
    }
    if (progress_.queued == 0) {
        finish();
        return false;
    }
    // A site that has just become known, or where a page moved up, is to be asked first; when all have been, this level is done.
    if (options_.depth >= 0 && report.queued.empty())
        ++level_;
    return true;
}

void crawler::recorded(const page_record& r)
{
    const bool stored = r.state == page_state::stored || r.state == page_state::duplicate;
    --outstanding_;
    stored_ += stored;
    if (!stored)
        budget_.release();
    ++progress_.finished;
    progress_.failed += r.state == page_state::failed;
    progress_.bytes += stored ? r.size : 0;
    view_.show(r);
}

// Opens the archive: what is to be done at first.
archive::report crawler::open()
{
    if (options_.urls.empty() && !archive::exists(options_.out))
        throw std::invalid_argument(fmt::format("there is no crawl in {} to go on with; give a URL", options_.out.string()));
    archive_ = std::make_unique<archive>(options_.out, options_.warc);
    manifest& m = archive_->state();
    auto t = m.begin();
    if (options_.retry_failed)
        m.queue_failed();
    for (const std::string& u : options_.urls)
        m.add(u, 0, 0);
    t.commit();
    for (const std::string& u : m.starts())
        territory_.add_host_of(u);
    stored_ = m.count().stored;
    budget_.release(
        options_.max_pages > 0 ? std::max<std::ptrdiff_t>(0, options_.max_pages - stored_) : tandem::semaphore::max() / 2);
    archive::report first;
    for (const auto& [id, s] : m.sites())
        if (s.queued > 0)
            first.queued.push_back({id, s.origin, s.queued});
    return first;
}

// Of sites that run short, and have more in the manifest or in the pages that are just being recorded.
std::vector<archive::want> crawler::wants(const std::vector<page_record>& batch) const
{
    std::set<std::int64_t> growing;
    for (const page_record& r : batch)
        growing.insert(r.page.site);
    std::vector<archive::want> wanted;
    for (const auto& [id, s] : sites_)
        if (s->queue.size() <= window / 2 && (s->queued > 0 || growing.contains(id)))
            wanted.push_back({id, window - s->queue.size()});
    return wanted;
}

void crawler::take_in(const archive::report& r)
{
    for (const archive::added& a : r.queued) {
        site_of(a.site, a.origin).queued += a.pages;
        progress_.queued += a.pages;
    }
    for (const queued_page& page : r.next) {
        site& s = *sites_.at(page.site);
        --s.queued;
        ++outstanding_;
        static_cast<void>(s.queue.try_send(page)); // it has no limit but what is asked for
    }
}

site& crawler::site_of(std::int64_t id, const std::string& origin)
{
    std::unique_ptr<site>& s = sites_[id];
    if (!s) {
        s = std::make_unique<site>(id, url::parse(origin + "/").value(), options_.per_host);
        scope_->spawn(tandem::also_stopped_by(closing_.get_token(), serve(*s)));
    }
    return *s;
}

// No site gets more pages; the scope ends with those that are under way.
void crawler::finish()
{
    closing_.request_stop();
    finished_.set();
}

} // namespace crawl
