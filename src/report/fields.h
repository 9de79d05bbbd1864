/* fields.h - reads the fields of metrics.json; one that is absent is 0 or "". All functions are local. */
#ifndef TN_REPORT_FIELDS_H
#define TN_REPORT_FIELDS_H

#include <jansson.h>

static inline double number(json_t *j, const char *key) {
    return json_number_value(json_object_get(j, key));
}
static inline long long integer(json_t *j, const char *key) {
    return (long long)json_integer_value(json_object_get(j, key));
}
static inline const char *word(json_t *j, const char *key) {
    const char *text = json_string_value(json_object_get(j, key));
    return text ? text : "";
}

#endif
