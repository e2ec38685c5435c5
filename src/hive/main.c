/* main.c - rbee-hive's commands. */
#include "base/cli.h"
#include "hive/hive.h"
#include "hive/machine/detect.h"

static const struct cli_command commands[] = {
    {"daemon", NULL, "serve models on this machine, until told to end",
     "Starts workers on request, watches them and ends them when idle; fetches models; answers\n"
     "over HTTP. Every option but --home can also stand in config.ini or the environment\n"
     "(RBEE_HIVE_...); the home's own is RBEE_HOME. `rbee-keeper config` shows all of them.",
     cmd_daemon},
    {"pair", NULL, "print a line that lets another machine use this one",
     "The line is to be run on the other machine, within an hour, and works once. Eight are open\n"
     "at a time; one more closes the oldest. The hive of this home has to run, on an address that\n"
     "others reach. On a loopback address, with https, the line is for other accounts of this\n"
     "machine: it has no code and works as often as it is used.",
     cmd_pair},
    {"detect", NULL, "show what this machine can compute on", NULL, cmd_detect},
    {0}};

static const struct cli_other others[] = {
    {"serve", "daemon"}, {"start", "daemon"}, {"run", "daemon"}, {"node", "rbee-keeper node"}, {0}};

int main(int argc, char **argv)
{
    return cli_main("rbee-hive", "the daemon that runs models on this machine", commands, others,
                    argc, argv);
}
