/* Visibility of the public symbols, and the small types every header uses. */
#ifndef KILN_EXPORT_H
#define KILN_EXPORT_H

#if defined(__GNUC__)
#define KILN_API __attribute__((visibility("default")))
#define KILN_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define KILN_API
#define KILN_PRINTF(text, first)
#endif

#ifdef __cplusplus
#define KILN_BEGIN_DECLS extern "C" {
#define KILN_END_DECLS }
#else
#define KILN_BEGIN_DECLS
#define KILN_END_DECLS
#endif

#endif
