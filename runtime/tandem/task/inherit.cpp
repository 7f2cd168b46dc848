#include <tandem/task/inherit.hpp>

const char tandem::detail::task_name_key = 0;
