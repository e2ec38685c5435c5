/*
 * cpu.c - which kernel sets this CPU can run. Asks the CPU on each call; keeps nothing. Any thread.
 */
#include <string.h>

#include "engine/kern/sets.h"

#if defined(__x86_64__)
#include <cpuid.h>

static bool has_avx2(void)
{
    unsigned a, b, c = 0, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_F16C))
        return false;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avxvnni(void)
{
    const unsigned avx_vnni = 1u << 4; /* leaf 7, subleaf 1, EAX */
    unsigned a, b, c, d;

    return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & avx_vnni);
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}

const struct kern *const *kern_available(void)
{
    static const struct kern *const all[] = {&kern_avx512, &kern_avxvnni, &kern_avx2, &kern_ref,
                                             NULL};
    static const struct kern *const no_vnni[] = {&kern_avx512, &kern_avx2, &kern_ref, NULL};

    if (has_avx512())
        return has_avxvnni() ? all : no_vnni;
    if (has_avxvnni())
        return all + 1;
    return has_avx2() ? all + 2 : all + 3;
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

const struct kern *const *kern_available(void)
{
    static const struct kern *const with_neon[] = {&kern_neon, &kern_ref, NULL};
    static const struct kern *const plain[] = {&kern_ref, NULL};
    const unsigned long asimddp = 1ul << 20; /* HWCAP_ASIMDDP: the dot product instructions */

    return getauxval(AT_HWCAP) & asimddp ? with_neon : plain;
}

#else

const struct kern *const *kern_available(void)
{
    static const struct kern *const plain[] = {&kern_ref, NULL};

    return plain;
}

#endif

const struct kern *kern_find(const char *name)
{
    const struct kern *const *sets = kern_available();

    if (!name || strcmp(name, "auto") == 0)
        return sets[0];
    for (; *sets; sets++) {
        if (strcmp((*sets)->name, name) == 0)
            return *sets;
    }
    return NULL;
}
