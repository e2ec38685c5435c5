/*
 * ends.c - which tokens end a generation: those that the file names by key, and those whose texts
 * are known to. See impl.h.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/tok/impl.h"

#define KEY(name) "tokenizer.ggml." name

/* "end of sentence" between full-width bars, with U+2581 for blanks */
#define DEEPSEEK_END "<\357\275\234end\342\226\201of\342\226\201sentence\357\275\234>"

/* Which kinds make a token with such a text an end. */
enum end_kinds {
    END_MARK,  /* any: the text is nothing else. One that is called normal becomes control */
    END_PIECE, /* control and user-defined: other vocabularies have it as an ordinary piece, and
                  people write it */
    END_CONTROL,
};

/*
 * Texts of tokens that end a turn, for files that name only one of them by key. Source: the
 * published chat formats of these models, and llama.cpp's list (its llama-vocab.cpp, 2026;
 * what is said there of gaps in code and of padding is an end only where the file calls it
 * control).
 */
static const struct {
    const char *text;
    enum end_kinds kinds;
} end_texts[] = {
    {"<|eot_id|>", END_MARK},         /* Llama 3 */
    {"<|eom_id|>", END_MARK},         /* Llama 3: a tool's turn */
    {"<|im_end|>", END_MARK},         /* ChatML: Qwen and others */
    {"<|end|>", END_MARK},            /* Phi-3 */
    {"<|endoftext|>", END_MARK},      /* GPT-2, Qwen, Falcon */
    {"<|end_of_text|>", END_MARK},    /* Llama 3, Granite */
    {"<end_of_turn>", END_MARK},      /* Gemma */
    {"<|EOT|>", END_MARK},            /* DeepSeek-Coder instruct */
    {"<end_of_utterance>", END_MARK}, /* SmolVLM */
    {DEEPSEEK_END, END_MARK},         /* DeepSeek */
    {"<|return|>", END_MARK},         /* Harmony */
    {"<|call|>", END_MARK},           /* Harmony */
    {"<|calls|>", END_MARK},          /* Solar Open */
    {"<|flush|>", END_MARK},          /* Solar Open */
    {"<|fim_pad|>", END_MARK},        /* Qwen-Coder: ends a fill-in-the-middle */
    {"<|fim_repo|>", END_MARK},       /* ... and what begins another file, or repository */
    {"<|file_sep|>", END_MARK},       /* Qwen-Coder */
    {"<|repo_name|>", END_MARK},      /* Qwen-Coder */
    {"<eos>", END_PIECE},             /* Gemma */
    {"</s>", END_PIECE},              /* Llama 2, Mistral */
    {"<EOT>", END_PIECE},             /* DeepSeek-Coder */
    {"[EOT]", END_PIECE},             /* Kimi */
    {"[EOS]", END_PIECE},             /* Kimi */
    {"_<EOT>", END_CONTROL},
    {"<fim_pad>", END_CONTROL}, /* Granite, StarCoder */
    {"<fim-pad>", END_CONTROL}, /* SantaCoder */
    {"<PAD>", END_CONTROL},
    {"[PAD]", END_CONTROL},      /* Kimi */
    {"<reponame>", END_CONTROL}, /* Granite, StarCoder */
    {"<fim-repo>", END_CONTROL},
    {"<REPO>", END_CONTROL},
};
#define N_END_TEXTS (sizeof end_texts / sizeof end_texts[0])

/* The ids that end a generation, by key. */
static int read_named_ends(struct tok *t, const struct gguf *g, struct err *err)
{
    static const char *const keys[] = {KEY("eos_token_id"),     KEY("eot_token_id"),
                                       KEY("eom_token_id"),     KEY("fim_pad_token_id"),
                                       KEY("fim_rep_token_id"), KEY("fim_sep_token_id")};
    int32_t id;
    int rc = 0;

    if (t->eos != TOK_NONE)
        t->eog[t->eos] = 1; /* of SPM also without the key */
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && rc == 0; i++) {
        rc = tok_read_id(t, g, keys[i], &id, err);
        if (rc == 0 && id != TOK_NONE)
            t->eog[id] = 1;
    }
    return rc;
}

/* All that its maker's settings name, as Ollama's converter lists them; what there is no token for
 * is passed over. */
static int read_listed_ends(struct tok *t, const struct gguf *g, struct err *err)
{
    struct gguf_array ids;
    int rc;

    if (!gguf_has(g, KEY("eos_token_ids")))
        return 0;
    rc = gguf_get_array(g, KEY("eos_token_ids"), GGUF_I32, &ids, err);
    for (uint64_t i = 0; rc == 0 && i < ids.n; i++) {
        int64_t id = gguf_array_int(&ids, i);

        if (id >= 0 && id < t->vocab.n)
            t->eog[id] = 1;
    }
    return rc;
}

static void find_ends(struct tok *t)
{
    for (size_t i = 0; i < N_END_TEXTS; i++) {
        int32_t id = vocab_find(&t->vocab, end_texts[i].text, strlen(end_texts[i].text));
        uint8_t *kind = id == TOK_NONE ? NULL : &t->vocab.kinds[id];

        if (!kind)
            continue;
        /* a converter has not told it from the words: in prompts it is cut out all the same */
        if (end_texts[i].kinds == END_MARK && *kind == TOK_NORMAL)
            *kind = TOK_CONTROL;
        if (*kind == TOK_CONTROL ||
            (*kind == TOK_USER_DEFINED && end_texts[i].kinds != END_CONTROL))
            t->eog[id] = 1;
    }
}

int ends_read(struct tok *t, const struct gguf *g, struct err *err)
{
    int rc;

    t->eog = calloc(t->vocab.n, 1);
    if (!t->eog)
        return err_no_memory(err, t->vocab.n, "the ends of generation");
    rc = read_named_ends(t, g, err);
    if (rc == 0)
        rc = read_listed_ends(t, g, err);
    find_ends(t);
    return rc;
}
