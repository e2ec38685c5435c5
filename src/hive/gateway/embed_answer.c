/* embed_answer.c - see embed_answer.h. */
#include "hive/gateway/embed_answer.h"

#include <float.h>
#include <math.h>

static bool is_count(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool is_vector(const json_t *vector, size_t n_dimensions)
{
    const json_t *number;
    size_t i;

    if (!json_is_array(vector) || json_array_size(vector) != n_dimensions)
        return false;
    json_array_foreach(vector, i,
                       number) if (!json_is_number(number) ||
                                   fabs(json_number_value(number)) > FLT_MAX) return false;
    return true;
}

bool embed_answer_is_vectors(const json_t *answer)
{
    const json_t *vectors = json_object_get(answer, "embeddings"), *vector,
                 *dimensions = json_object_get(answer, "dimensions");
    size_t i;

    if (json_array_size(vectors) == 0 || !is_count(dimensions) ||
        !is_count(json_object_get(answer, "prompt_tokens")))
        return false;
    json_array_foreach(vectors, i, vector) if (!is_vector(vector, (size_t)json_integer_value(
                                                                      dimensions))) return false;
    return true;
}
