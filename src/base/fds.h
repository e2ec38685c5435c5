/* fds.h - descriptors that a process of ours was born with, and shall not keep. Linux. */
#ifndef RBEE_BASE_FDS_H
#define RBEE_BASE_FDS_H

/*
 * Closes every descriptor from `first` on. System calls only, on a stack of 4 KiB more: for the
 * child of a fork, where another thread may have held any lock. Source: close_range(2), Linux 5.9;
 * where that is not there, or refused, what /proc/self/fd lists; without /proc, as many numbers
 * as the limit of open files has.
 */
void fds_close_from(int first);

#endif
