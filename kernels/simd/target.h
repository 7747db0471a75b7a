// Turns an instruction set on for a region of source, so that nothing outside it (an inline
// function of the standard library, above all) is compiled for a machine that may not have it.
//
// A row file includes every other header first, opens the region, then its namespace, then the
// body headers. Lambdas do not inherit the region in g++: the bodies have none.
#pragma once

#define QUIRE_INLINE inline __attribute__((always_inline))
#define QUIRE_PRAGMA(text) _Pragma(#text)

#if defined(__clang__)
#define QUIRE_TARGET_BEGIN(features) \
  QUIRE_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define QUIRE_TARGET_END _Pragma("clang attribute pop")
#else
#define QUIRE_TARGET_BEGIN(features) _Pragma("GCC push_options") QUIRE_PRAGMA(GCC target(features))
#define QUIRE_TARGET_END _Pragma("GCC pop_options")
#endif
