/* fuzz_conversation.c - the file of a conversation, as any bytes: one that is taken gives messages
 * that a hive can be asked with. */
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "keeper/chat/conversation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conversation c = {0};
    json_t *messages, *m;
    size_t i;

    if (conversation_parse((const char *)data, size, &c, NULL) == 0) {
        messages = conversation_messages(&c);
        BUG_ON(!json_is_array(messages));
        json_array_foreach(messages, i, m)
        {
            BUG_ON(!json_is_string(json_object_get(m, "role")));
            BUG_ON(!json_is_string(json_object_get(m, "content")));
        }
        json_decref(messages);
        while (conversation_count(&c) > 0)
            conversation_drop(&c);
    }
    conversation_done(&c);
    return 0;
}
