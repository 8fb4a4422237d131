/*
 * A preloaded library stands in front of libc for most objects, but not for all: an extension that is loaded with
 * RTLD_DEEPBIND, as PHP loads them, finds libc's functions before the hooks, and so do the libraries that it brings
 * along. What calls such an object makes is seen only when the addresses in its import table are replaced.
 *
 * elf(5): DT_JMPREL and DT_RELA list the places that the dynamic linker fills with addresses of functions, each with
 * the function's number in DT_SYMTAB. What is laid out otherwise than on the machines below is left alone.
 */
#define _GNU_SOURCE
#include "imports.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define IS_ADDRESS_OF_FUNCTION(type) ((type) == R_X86_64_JUMP_SLOT || (type) == R_X86_64_GLOB_DAT)
#elif defined(__aarch64__)
#define IS_ADDRESS_OF_FUNCTION(type) ((type) == R_AARCH64_JUMP_SLOT || (type) == R_AARCH64_GLOB_DAT)
#else
#define IS_ADDRESS_OF_FUNCTION(type) false
#endif

struct object {
    const struct dl_phdr_info *info;
    const ElfW(Sym) *symbols;
    const char *names;
    struct {
        const ElfW(Rela) *first;
        size_t count;
    } tables[2];
    uintptr_t protected_from, protected_to; /* made read-only by the dynamic linker */
};

/* Called for each place that holds the address of a function of another object. Returns false to end. */
typedef bool visitor(const struct object *object, const char *name, void **place, void *context);

/* The dynamic linker has made addresses of most of these; glibc leaves them as offsets on some machines. */
static uintptr_t address(const struct dl_phdr_info *info, const ElfW(Dyn) *entry)
{
    return entry->d_un.d_ptr < info->dlpi_addr ? info->dlpi_addr + entry->d_un.d_ptr : entry->d_un.d_ptr;
}

static bool read_object(const struct dl_phdr_info *info, struct object *object)
{
    const ElfW(Dyn) *dynamic = NULL;
    bool has_addends = true;
    *object = (struct object){.info = info};
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_DYNAMIC) dynamic = (const ElfW(Dyn) *)start;
        if (header->p_type != PT_GNU_RELRO) continue;
        object->protected_from = start;
        object->protected_to = start + header->p_memsz;
    }
    for (; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++) {
        switch (dynamic->d_tag) {
        case DT_SYMTAB: object->symbols = (const void *)address(info, dynamic); break;
        case DT_STRTAB: object->names = (const void *)address(info, dynamic); break;
        case DT_JMPREL: object->tables[0].first = (const void *)address(info, dynamic); break;
        case DT_PLTRELSZ: object->tables[0].count = dynamic->d_un.d_val / sizeof(ElfW(Rela)); break;
        case DT_RELA: object->tables[1].first = (const void *)address(info, dynamic); break;
        case DT_RELASZ: object->tables[1].count = dynamic->d_un.d_val / sizeof(ElfW(Rela)); break;
        case DT_PLTREL: has_addends = dynamic->d_un.d_val == DT_RELA; break;
        }
    }
    return has_addends && object->symbols != NULL && object->names != NULL;
}

static bool is_within(const struct dl_phdr_info *info, uintptr_t value)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        if (info->dlpi_phdr[i].p_type == PT_LOAD && value - start < info->dlpi_phdr[i].p_memsz) return true;
    }
    return false;
}

/* libc with what belongs to it, the kernel's own object, and this library. */
static bool is_left_alone(const struct dl_phdr_info *info)
{
    static const char *const libcs[] = {
        "libc.so.", "libc-2.",  "libpthread.so", "libpthread-2.", "librt.so",   "librt-2.",
        "libdl.so", "libdl-2.", "ld-linux",      "ld-2.",         "linux-vdso",
    };
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *name = slash != NULL ? slash + 1 : info->dlpi_name;
    for (size_t i = 0; i < sizeof libcs / sizeof *libcs; i++)
        if (strncmp(name, libcs[i], strlen(libcs[i])) == 0) return true;
    return is_within(info, (uintptr_t)&tsfpm_imports_redirect);
}

struct walk {
    visitor *visit;
    void *context;
};

static int walk_object(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    const struct walk *walk = data;
    struct object object;
    if (is_left_alone(info) || !read_object(info, &object)) return 0;
    for (size_t t = 0; t < sizeof object.tables / sizeof *object.tables; t++) {
        for (size_t i = 0; i < object.tables[t].count; i++) {
            const ElfW(Rela) *entry = &object.tables[t].first[i];
            if (!IS_ADDRESS_OF_FUNCTION(ELF64_R_TYPE(entry->r_info))) continue;
            const ElfW(Sym) *symbol = &object.symbols[ELF64_R_SYM(entry->r_info)];
            if (symbol->st_shndx != SHN_UNDEF) continue;
            void **place = (void **)(info->dlpi_addr + entry->r_offset);
            if (!walk->visit(&object, object.names + symbol->st_name, place, walk->context)) return 1;
        }
    }
    return 0;
}

/* Returns false where a visit ended it. */
static bool walk(visitor *visit, void *context)
{
    struct walk how = {visit, context};
    return dl_iterate_phdr(walk_object, &how) == 0;
}

/* ---- replacing ---- */

struct redirection {
    const struct tsfpm_import *imports;
    size_t count;
    bool failed;
};

static bool write_place(const struct object *object, void **place, void *function)
{
    const uintptr_t page_size = (uintptr_t)sysconf(_SC_PAGESIZE), mask = ~(page_size - 1);
    const uintptr_t page = (uintptr_t)place & mask;
    /* The dynamic linker protects whole pages: not one whose end holds something else. */
    bool is_protected = page >= (object->protected_from & mask) && page < (object->protected_to & mask);
    if (is_protected && mprotect((void *)page, page_size, PROT_READ | PROT_WRITE) != 0) return false;
    *place = function;
    if (is_protected) mprotect((void *)page, page_size, PROT_READ);
    return true;
}

static bool redirect(const struct object *object, const char *name, void **place, void *context)
{
    struct redirection *redirection = context;
    for (size_t i = 0; i < redirection->count; i++) {
        const struct tsfpm_import *import = &redirection->imports[i];
        if (strcmp(name, import->name) != 0 || *place == import->ours) continue;
        /* What the dynamic linker fills at the first call holds an address of its own object until then. */
        bool is_unfilled = is_within(object->info, (uintptr_t)*place);
        if (*place != import->libcs && !is_unfilled) continue; /* another library stands in front */
        if (!write_place(object, place, import->ours)) redirection->failed = true;
    }
    return true;
}

bool tsfpm_imports_redirect(const struct tsfpm_import *imports, size_t count)
{
    struct redirection redirection = {.imports = imports, .count = count};
    walk(redirect, &redirection);
    return !redirection.failed;
}

/* ---- asking ---- */

struct question {
    const char *const *names;
    size_t count;
};

static bool is_none_of(const struct object *object, const char *name, void **place, void *context)
{
    (void)object;
    (void)place;
    const struct question *question = context;
    for (size_t i = 0; i < question->count; i++)
        if (strcmp(name, question->names[i]) == 0) return false;
    return true;
}

bool tsfpm_imports_have(const char *const *names, size_t count)
{
    struct question question = {names, count};
    return !walk(is_none_of, &question);
}
