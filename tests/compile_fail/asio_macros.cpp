// A file that sees Asio otherwise than the library does would link, and crash.
// expect: Tandem is built with ASIO_STANDALONE, ASIO_SEPARATE_COMPILATION and ASIO_NO_DEPRECATED
#undef ASIO_NO_DEPRECATED
#include <tandem/task/task.hpp>
