/* port.h - listening sockets for workers: the hive binds, the worker inherits. And is an address
 * ours? */
#ifndef RBEE_HIVE_PROCESS_PORT_H
#define RBEE_HIVE_PROCESS_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define PORT_BACKLOG 4096

/*
 * A listening TCP socket on the numeric address `host` at the first free port from `first` up; bind
 * and listen decide what is free. "::" takes IPv4, too, as the hive's own socket does: its clients
 * go on to the worker by the address they came by. *fd is close-on-exec and non-blocking, the
 * caller's to close. ERR_BUSY when all up to 65535 are taken, ERR_INVALID for a bad address,
 * ERR_DENIED, ERR_IO.
 */
int port_listen(const char *host, uint16_t first, int *fd, uint16_t *port, struct err *err);

/* False where no interface of this machine has that numeric address (any more). */
bool port_is_here(const char *host);

#endif
