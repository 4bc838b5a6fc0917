/*
 * A library that has the calls of libxenctrl 4.MINOR with that release's structures and gives fixed
 * answers, which say what arrived. Written from xen/include/public of each release, not from the
 * Rust declarations, so that a mistake there shows.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef REPORTS
#define REPORTS MINOR /* the release that the "hypervisor" says it is */
#endif

struct arch { uint32_t emulation_flags, misc_flags; };

struct createdomain {
    uint32_t ssidref;
    uint8_t handle[16];
    uint32_t flags, iommu_opts, max_vcpus, max_evtchn_port;
    int32_t max_grant_frames, max_maptrack_frames;
#if MINOR >= 16
    uint32_t grant_opts;
#endif
#if MINOR >= 21
    struct { uint16_t opts, nr; } altp2m;
#elif MINOR >= 19
    uint32_t altp2m_opts;
#endif
    uint32_t vmtrace_size;
#if MINOR >= 17
    uint32_t cpupool_id;
#endif
    struct arch arch;
#ifdef GROWN
    uint8_t grown[96]; /* of a release that nobody has measured */
#endif
};

struct domaininfo {
    uint16_t domain, pad1;
    uint32_t flags;
    uint64_t tot_pages, max_pages, outstanding_pages, shr_pages, paged_pages, shared_info_frame;
    uint64_t cpu_time;
    uint32_t nr_online_vcpus, max_vcpu_id, ssidref;
    uint8_t handle[16];
    uint32_t cpupool;
#if MINOR >= 16
    uint8_t gpaddr_bits, pad2[7];
#endif
    struct arch arch_config;
};

struct physinfo {
    uint32_t threads_per_core, cores_per_socket, nr_cpus, max_cpu_id, nr_nodes, max_node_id;
    uint32_t cpu_khz, capabilities;
#if MINOR >= 17
    uint32_t arch_capabilities, pad;
#endif
    uint64_t total_pages, free_pages, scrub_pages, outstanding_pages, max_mfn;
    uint32_t hw_cap[8];
};

static int fail(int error) { errno = error; return -1; }

void *xc_interface_open(void *logger, void *dombuild_logger, unsigned flags)
{
    return logger && dombuild_logger && !flags ? malloc(1) : NULL;
}

int xc_interface_close(void *xch) { free(xch); return 0; }

int xc_version(void *xch, int cmd, void *arg)
{
    if ( cmd == 0 )
        return 4 << 16 | REPORTS;
    memcpy(arg, ".3-stub\0\0\0\0\0\0\0\0", 16);
    return 0;
}

int xc_physinfo(void *xch, struct physinfo *info)
{
    struct physinfo answer = {
        .threads_per_core = 1, .cores_per_socket = 2, .nr_cpus = 2, .max_cpu_id = 1, .nr_nodes = 1,
        .cpu_khz = 2000000, .capabilities = 0x30b, .total_pages = 786303, .free_pages = 515675,
        .outstanding_pages = 17, .max_mfn = 786399,
        .hw_cap = { 0x1fcbf3fd, 0xf6d8320b, 0xe4500800, 0x77, 5, 0x18843a9, 0x20c, 9 },
    };
    *info = answer;
    return 0;
}

int xc_domain_getinfolist(void *xch, uint32_t first, unsigned max, struct domaininfo *list)
{
    static const uint16_t ids[] = { 0, 5, 9 };
    unsigned i, n = 0;

    memset(list, 0, max * sizeof(*list));
    for ( i = 0; i < 3 && n < max; i++ )
    {
        if ( ids[i] < first )
            continue;
        list[n].domain = ids[i];
        list[n].handle[15] = ids[i];
        list[n].cpupool = 100 + ids[i];
        list[n++].arch_config.misc_flags = 1;
    }
    return n;
}

int xc_domain_create(void *xch, uint32_t *domid, struct createdomain *config)
{
    if ( *domid != 0x7ff5 )
        return fail(EEXIST);
#if MINOR >= 16
    if ( config->grant_opts != 2 )
        return fail(EINVAL);
#endif
#ifdef GROWN
    for ( unsigned i = 0; i < sizeof(config->grown); i++ )
        if ( config->grown[i] )
            return fail(EINVAL);
#endif
    *domid = config->max_vcpus << 8 | config->arch.emulation_flags << 4 | config->arch.misc_flags;
    return 0;
}

/* As libxenctrl does for the text of an error: a buffer per thread, freed by the library's code. */
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void clean(void *buffer) { memset(buffer, 0, 1); }
static void make_key(void) { pthread_key_create(&key, clean); }

int xc_domain_pause(void *xch, uint32_t domid)
{
    static __thread char buffer;

    pthread_once(&once, make_key);
    pthread_setspecific(key, &buffer);
    return fail(domid == 5 ? EBUSY : ESRCH);
}

/* The calls below succeed when given what `every_argument_arrives` gives them. */
static int expect(int holds) { return holds ? 0 : fail(EINVAL); }

int xc_domain_setmaxmem(void *xch, uint32_t domid, uint64_t kib)
{
    return expect(domid == 5 && kib == 0x100000004);
}

int xc_domain_set_memmap_limit(void *xch, uint32_t domid, unsigned long kib)
{
    return expect(domid == 5 && kib == 0x100000008);
}

struct __attribute__((packed)) e820entry { uint64_t addr, size; uint32_t type; };
int xc_domain_set_memory_map(void *xch, uint32_t domid, struct e820entry entries[], uint32_t n)
{
    return expect(domid == 5 && n == 2 &&
                  entries[0].addr == 0 && entries[0].size == 0xa0000 && entries[0].type == 1 &&
                  entries[1].addr == 1ul << 32 && entries[1].size == 4096 && entries[1].type == 3);
}

int xc_domain_claim_pages(void *xch, uint32_t domid, unsigned long pages)
{
    return expect(domid == 5 && pages == 0x100000001);
}

int xc_domain_max_vcpus(void *xch, uint32_t domid, unsigned max)
{
    return expect(domid == 5 && max == 3);
}

int xc_domain_shutdown(void *xch, uint32_t domid, int reason)
{
    return expect(domid == 5 && reason == 3);
}

int xc_domain_sethandle(void *xch, uint32_t domid, uint8_t handle[16])
{
    return expect(domid == 5 && handle[0] == 1 && handle[15] == 16);
}

int xc_hvm_param_set(void *xch, uint32_t domid, uint32_t param, uint64_t value)
{
    return expect(domid == 5 && param == 1 && value == 0x100000002);
}

int xc_evtchn_alloc_unbound(void *xch, uint32_t domid, uint32_t remote)
{
    return expect(domid == 5 && remote == 9) ? -1 : 77;
}

int xc_domain_destroy(void *xch, uint32_t domid) { return expect(domid == 5); }

#if MINOR >= 17
int xc_get_paging_mempool_size(void *xch, uint32_t domid, uint64_t *size)
{
    *size = 3 << 20;
    return 0;
}

int xc_set_paging_mempool_size(void *xch, uint32_t domid, uint64_t size)
{
    return expect(domid == 5 && size == 4 << 20);
}
#endif

#if MINOR >= 16
int xc_shadow_control(void *xch, uint32_t domid, unsigned op, unsigned *mb, unsigned mode)
{
    if ( mode )
        return fail(EINVAL);
#else
int xc_shadow_control(void *xch, uint32_t domid, unsigned op, void *bitmap, unsigned long pages,
                      unsigned long *mb, uint32_t mode, void *stats)
{
    if ( bitmap || pages || mode || stats )
        return fail(EINVAL);
#endif
    if ( op == 31 ) /* set */
        return expect(*mb == 4);
    *mb = 3;
    return expect(op == 30);
}

int xc_domain_set_tsc_info(void *xch, uint32_t domid, uint32_t mode, uint64_t elapsed, uint32_t khz,
                           uint32_t incarnation)
{
    return domid == 5 && mode == 2 && !elapsed && !khz && !incarnation ? 0 : fail(EINVAL);
}

int xc_hvm_param_get(void *xch, uint32_t domid, uint32_t param, uint64_t *value)
{
    *value = (uint64_t)param << 32 | domid;
    return 0;
}
