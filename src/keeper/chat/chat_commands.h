/* chat_commands.h - what begins with a slash in a conversation: /help and the others. */
#ifndef RBEE_KEEPER_CHAT_CHAT_COMMANDS_H
#define RBEE_KEEPER_CHAT_CHAT_COMMANDS_H

#include "keeper/chat/chat.h"

/*
 * Carries out "/name what follows"; what it has to say goes to stderr. CLI_GO; CLI_DONE when the
 * conversation is to end; another exit code after having said what is wrong, and then nothing has
 * changed. An unknown name is an error: none of it goes to the model.
 */
int chat_command(struct chat *c, const char *line);

#endif
