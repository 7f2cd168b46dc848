// The crawl itself: sites that are served in parallel, pages that are fetched, examined and recorded, and how it ends.
#pragma once

#include "archive.hpp"
#include "fetch.hpp"
#include "options.hpp"
#include "site.hpp"
#include "territory.hpp"
#include "view.hpp"

#include <tandem/io/blocking.hpp>
#include <tandem/tandem.hpp>

#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace tandem {
class process_pool;
}

namespace crawl {

class crawler {
public:
    /// `io` runs the coroutines and the sockets, `cpu` reads the pages; `isolated` reads them in other processes, or is null.
    crawler(
        const options& o, tandem::thread_pool& io, tandem::thread_pool& cpu, tandem::process_pool* isolated, view& v, progress& p);

    struct outcome {
        manifest::counts counts;
        bool interrupted;
    };
    /// Crawls until nothing is left, or until `interrupt`, a wait for a signal, is over; then it finishes what is under way.
    [[nodiscard]] tandem::task<outcome> run(tandem::task<int> interrupt);

private:
    using permit = tandem::semaphore::permit;

    // The course of things: crawler.cpp
    tandem::task<> watch(tandem::task<int> interrupt);
    tandem::task<> fetch_all();
    tandem::task<> record(archive::report first);
    void recorded(const page_record& r);
    bool go_on(const archive::report& r);
    archive::report open();
    std::vector<archive::want> wants(const std::vector<page_record>& batch) const;
    void take_in(const archive::report& r);
    void finish();
    site& site_of(std::int64_t id, const std::string& origin);

    // A page: crawl_page.cpp
    tandem::task<> serve(site& s);
    tandem::task<> learn_manners(site& s);
    tandem::task<> crawl_page(site& s, queued_page page);
    tandem::task<> get(site& s, page_record& r);
    tandem::task<response> fetch_patiently(site& s, std::string address, std::size_t max_bytes);
    tandem::task<response> attempt(site& s, const std::string& address, std::size_t max_bytes, tandem::stop_token own);
    void redirect(const url& address, const response& got, page_record& r);
    tandem::task<> examine(response got, const url& address, page_record& r);
    tandem::task<std::vector<std::string>> links_of_page(const response& got, const url& address, page_record& r);

    const options& options_;
    tandem::thread_pool& cpu_;
    tandem::process_pool* isolated_;
    view& view_;
    progress& progress_;
    territory territory_;
    fetcher fetcher_;

    tandem::semaphore slots_;          // fetches
    tandem::semaphore waiting_{128};   // pages that are fetched, and not recorded yet
    tandem::semaphore large_pages_{1}; // those of them that take much memory: their tree, and then their links
    tandem::semaphore budget_{0};      // pages that may still be stored
    tandem::stop_source closing_;      // no new pages
    tandem::stop_source cut_off_;      // nor those under way

    // Pages on their way to the archive; nothing: the crawl is to be closed.
    tandem::channel<std::optional<page_record>> results_{64};
    tandem::event begun_;    // from then on scope_ can be used
    tandem::event finished_; // until then
    tandem::task_scope* scope_ = nullptr;
    bool interrupted_ = false;

    // Of the one who records:
    tandem::blocking_threads disk_{{.limit = 1}}; // the archive's thread
    std::unique_ptr<archive> archive_;
    std::map<std::int64_t, std::unique_ptr<site>> sites_;
    std::int64_t outstanding_ = 0; // pages taken out of the manifest's queue, and not recorded yet
    std::int64_t stored_ = 0;
    int level_; // pages deeper than this wait
};

} // namespace crawl
