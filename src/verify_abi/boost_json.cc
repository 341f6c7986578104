// Boost.JSON compiled in, so that the library needs no shared library but libcrypto and the language's own.
#include <boost/json/src.hpp>
