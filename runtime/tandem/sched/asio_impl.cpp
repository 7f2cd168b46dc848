// All of Asio that is not templates, compiled here once (ASIO_SEPARATE_COMPILATION) for the library and its users.
#include <asio/impl/src.hpp>
