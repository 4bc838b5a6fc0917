/*
 * The calls of libxenguest that build a guest, and nothing else: what `xg` is measured against.
 *
 *   build-with-c pv|pvh DOMID STORE-PORT CONSOLE-PORT MEMORY-MIB KERNEL RAMDISK
 *
 * The domain has been created. Prints how many nanoseconds it took from the kernel's file to a domain
 * that could be introduced to xenstored.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xenctrl.h>
#include <xenguest.h>

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#define CALL(what)                              \
    do {                                        \
        if (what) {                             \
            fprintf(stderr, "%s failed\n", #what); \
            return 1;                           \
        }                                       \
    } while (0)

int main(int argc, char **argv)
{
    xc_interface *xch;
    struct xc_dom_image *dom;
    uint64_t start;
    uint32_t domid;
    unsigned int memory;
    int pvh;

    if (argc != 8)
        return 2;
    pvh = !strcmp(argv[1], "pvh");
    domid = (uint32_t)atoi(argv[2]);
    memory = (unsigned int)atoi(argv[5]);

    start = now();
    xch = xc_interface_open(NULL, NULL, 0);
    if (!xch)
        return 1;
    dom = xc_dom_allocate(xch, "console=hvc0", NULL);
    if (!dom)
        return 1;
    dom->xenstore_evtchn = (unsigned int)atoi(argv[3]);
    dom->console_evtchn = (unsigned int)atoi(argv[4]);
    dom->max_vcpus = 1;
    if (pvh) {
        dom->container_type = XC_DOM_HVM_CONTAINER;
        dom->target_pages = (xen_pfn_t)memory << 8;
        dom->mmio_start = 0xfc000000;
        dom->mmio_size = 0x4000000;
        dom->lowmem_end = (uint64_t)memory << 20;
    } else {
        dom->container_type = XC_DOM_PV_CONTAINER;
        dom->flags = 0;
    }
    CALL(xc_dom_kernel_file(dom, argv[6]));
    CALL(xc_dom_module_file(dom, argv[7], NULL));
    CALL(xc_dom_boot_xen_init(dom, xch, domid));
    CALL(xc_dom_parse_image(dom));
    CALL(xc_dom_mem_init(dom, memory));
    CALL(xc_dom_boot_mem_init(dom));
    if (pvh) {
        struct e820entry *map = calloc(2, sizeof(*map));

        if (!map)
            return 1;
        map[0].size = dom->lowmem_end;
        map[0].type = 1;
        map[1].addr = 0xfeff8000;
        map[1].size = 0x8000;
        map[1].type = 2;
        CALL(xc_domain_set_memory_map(xch, domid, map, 2));
        dom->e820 = map;
        dom->e820_entries = 2;
    }
    CALL(xc_dom_build_image(dom));
    CALL(xc_dom_boot_image(dom));
    CALL(xc_dom_gnttab_init(dom));
    xc_dom_release(dom);
    xc_interface_close(xch);
    printf("%" PRIu64 "\n", now() - start);
    return 0;
}
