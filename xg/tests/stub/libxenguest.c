/*
 * A library that has the calls of libxenguest which build a PV guest, and does nothing but check
 * that they come on an image and a handle of their own. Places are bytes from the start of struct
 * xc_dom_image, from the DWARF of xenguest.h; SHIFT moves all of them, as an older or newer header
 * would.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef SHIFT
#define SHIFT 0
#endif
#ifndef STORE_FRAME
#define STORE_FRAME 102
#endif

enum { IMAGE_SIZE = 1952, MAX_KERNEL = 152, MAX_MODULE = 160, MAX_DEVICETREE = 168, CONSOLE_PFN = 384,
       STORE_PFN = 392, PV_P2M = 480, P2M_SIZE = 488, TOTAL_PAGES = 504, FLAGS = 560, XCH = 592 };

static void put(void *image, unsigned place, uint64_t value)
{
    memcpy((char *)image + place + SHIFT, &value, sizeof(value));
}

static void *handle_of(void *image)
{
    void *xch;

    memcpy(&xch, (char *)image + XCH + SHIFT, sizeof(xch));
    return xch;
}

static void *busy[8]; /* the handles of the images that there are; the tests use one thread each */

static void **find(void *xch)
{
    for ( unsigned i = 0; i < 8; i++ )
        if ( busy[i] == xch )
            return &busy[i];
    return NULL;
}

void *xc_dom_allocate(void *xch, const char *cmdline, const char *features)
{
    void *image, **free_slot = find(NULL);

    if ( find(xch) || !free_slot )
    {
        errno = EBUSY;
        return NULL;
    }
    *free_slot = xch;
    image = calloc(1, IMAGE_SIZE + SHIFT);
    put(image, MAX_KERNEL, 1 << 30);
    put(image, MAX_MODULE, 1 << 30);
    put(image, MAX_DEVICETREE, 1 << 30);
    put(image, FLAGS, 16);
    put(image, XCH, (uintptr_t)xch);
    return image;
}

void xc_dom_release(void *image)
{
    *find(handle_of(image)) = NULL;
    free(image);
}

int xc_dom_kernel_mem(void *image, const void *mem, size_t size) { return size == 6 ? 0 : -1; }
int xc_dom_boot_xen_init(void *image, void *xch, uint32_t domid)
{
    return xch == handle_of(image) && domid == 5 ? 0 : -1;
}
int xc_dom_parse_image(void *image) { return 0; }
int xc_dom_mem_init(void *image, unsigned mib) { return mib == 16 ? 0 : -1; }
int xc_dom_boot_mem_init(void *image) { return 0; }
int xc_dom_boot_image(void *image) { return 0; }
int xc_dom_gnttab_init(void *image) { return 0; }

int xc_dom_build_image(void *image)
{
    static uint64_t p2m[] = { 100, 101, STORE_FRAME, 103 };

    put(image, CONSOLE_PFN, 1);
    put(image, STORE_PFN, 2);
    put(image, PV_P2M, (uintptr_t)p2m);
    put(image, P2M_SIZE, 4);
    put(image, TOTAL_PAGES, 4);
    return 0;
}
