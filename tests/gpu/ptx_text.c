/*
 * ptx_text.c - reads a .ptx file as nvcc writes it. Everything that an operand may be (register, constant, address of a
 * variable) becomes the number of a slot.
 */
#include "emu.h"
#include "ptx.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *__cxa_demangle(const char *mangled, char *buffer, size_t *n, int *status); /* of the C++ library */

typedef struct {
    char *name;
    int value;
} named;
typedef struct {
    named *all;
    int n;
} names;
typedef struct {
    char *name;
    int bytes, align;
} variable;

typedef struct {
    const char *path;
    int line, depth;     /* depth: open braces */
    ptx_kernel *kernel;  /* the one that is being read, or NULL */
    variable *variables; /* shared ones of the file; a kernel has those that it names */
    int n_variables;
    names registers, symbols, constants, labels,
        jumps; /* of the kernel: slots, of "%r" that of %r0; numbers of instructions */
} reader;

/* --- helpers ------------------------------------------------------------------------------------------------------ */

static void refuse(const reader *r, const char *what, const char *text) {
    emu_stop("%s, line %d: %s: %s", r->path, r->line, what, text);
}
/* Room for one more after n. */
static void *grown(void *x, int n, size_t each) {
    if ((n & (n - 1)) == 0) x = realloc(x, (n ? 2 * (size_t)n : 1) * each);
    if (!x) emu_stop("no memory");
    return x;
}
static char *copied(const char *text, size_t n) {
    char *copy = strndup(text, n);
    if (!copy) emu_stop("no memory");
    return copy;
}
static void add_name(names *list, const char *name, size_t n, int value) {
    list->all = grown(list->all, list->n, sizeof *list->all);
    list->all[list->n++] = (named){copied(name, n), value};
}
static int value_of(const names *list, const char *name, size_t n) { /* or -1 */
    for (int i = list->n - 1; i >= 0; i--)
        if (strncmp(list->all[i].name, name, n) == 0 && list->all[i].name[n] == '\0') return list->all[i].value;
    return -1;
}
static void forget(names *list) {
    for (int i = 0; i < list->n; i++) free(list->all[i].name);
    free(list->all);
    *list = (names){NULL, 0};
}
static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}
static char *skip_space(char *at) {
    while (isspace((unsigned char)*at)) at++;
    return at;
}
static size_t word_length(const char *at) {
    return strcspn(at, " \t,;[]{}()+:");
}

/* "void (anonymous namespace)::merge_kernel<double>(int, ...)" or g++'s "{anonymous}::merge_kernel<double>" -> "merge_kernel<double>" */
char *ptx_plain_name(const char *text) {
    static const char *const LEFT_OUT[] = {"(anonymous namespace)::", "{anonymous}::", "(int)", "void ", " "};
    char *out = copied(text, strlen(text)), *to = out;
    for (const char *at = text; *at;) {
        size_t skip = 0;
        for (size_t i = 0; skip == 0 && i < sizeof LEFT_OUT / sizeof *LEFT_OUT; i++)
            if (begins(at, LEFT_OUT[i])) skip = strlen(LEFT_OUT[i]);
        if (skip == 0 && *at == '(') break;
        if (skip == 0) *to++ = *at++;
        at += skip;
    }
    *to = '\0';
    return out;
}

/* --- slots -------------------------------------------------------------------------------------------------------- */

static int add_slot(ptx_kernel *k, uint64_t value) {
    k->slots = grown(k->slots, k->n_slots, sizeof *k->slots);
    k->slots[k->n_slots].u64 = value;
    return k->n_slots++;
}
static int aligned(int at, int align) {
    return (at + align - 1) / align * align;
}

/* "%p1" or "%tid.x" */
static int register_slot(const reader *r, const char *name, size_t n) {
    static const char *const PTX_SPECIAL[] = {"%tid.", "%ctaid.", "%ntid.", "%nctaid."};
    for (int i = 0; i < 4; i++)
        if (begins(name, PTX_SPECIAL[i]) && n == strlen(PTX_SPECIAL[i]) + 1 && name[n - 1] >= 'x' && name[n - 1] <= 'z')
            return i * 3 + name[n - 1] - 'x';
    int whole = value_of(&r->registers, name, n);
    if (whole >= 0) return whole;
    size_t digits = n;
    while (digits > 0 && isdigit((unsigned char)name[digits - 1])) digits--;
    int first = value_of(&r->registers, name, digits);
    if (first < 0) refuse(r, "this register is not known", name);
    return first + atoi(name + digits);
}
/* 12, -1, 0x10, 0f3F800000 (float32), 0d3FF0000000000000 (double) */
static int constant_slot(reader *r, const char *text, size_t n) {
    bool is_float = n > 2 && text[0] == '0' && (text[1] == 'f' || text[1] == 'd');
    char *end = NULL;
    uint64_t value = is_float ? strtoull(text + 2, &end, 16) : (uint64_t)strtoll(text, &end, 0);
    if (end != text + n) refuse(r, "a constant", text);
    for (int i = 0; i < r->constants.n; i++)
        if (r->kernel->slots[r->constants.all[i].value].u64 == value) return r->constants.all[i].value;
    int slot = add_slot(r->kernel, value);
    add_name(&r->constants, text, n, slot);
    return slot;
}
/* The address of a parameter or of a shared variable; one of the file gets its place in the kernel here. */
static int symbol_slot(reader *r, const char *name, size_t n) {
    int slot = value_of(&r->symbols, name, n);
    if (slot >= 0) return slot;
    for (int i = 0; i < r->n_variables; i++) {
        const variable *v = &r->variables[i];
        if (strncmp(v->name, name, n) != 0 || v->name[n] != '\0') continue;
        int at = aligned(r->kernel->shared_bytes, v->align);
        r->kernel->shared_bytes = at + v->bytes;
        slot = add_slot(r->kernel, (uint64_t)at);
        add_name(&r->symbols, name, n, slot);
        return slot;
    }
    refuse(r, "this name is not known", name);
    return -1;
}
static int slot_of(reader *r, const char *text, size_t n) {
    if (isdigit((unsigned char)text[0]) || text[0] == '-') return constant_slot(r, text, n);
    if (text[0] == '%' || value_of(&r->registers, text, n) >= 0) return register_slot(r, text, n);
    return symbol_slot(r, text, n);
}

/* --- declarations ------------------------------------------------------------------------------------------------- */

/* ".reg .b32 %r<23>;" or ".reg .b32 %temp;" */
static void read_register(reader *r, char *at) {
    at = skip_space(at + word_length(at)); /* the type: all slots are alike */
    size_t n = strcspn(at, "<;");
    int count = at[n] == '<' ? atoi(at + n + 1) : 1;
    add_name(&r->registers, at, n, r->kernel->n_slots);
    for (int i = 0; i < count; i++) add_slot(r->kernel, UINT64_MAX); /* as a float: not a number */
}

/* ".align 8 .b8 NAME[24]" or ".u64 NAME": the name, and how long it is. After .ptr the alignment is that of what is pointed to. */
static const char *read_variable(const reader *r, char *at, int *bytes, int *align, size_t *n_name) {
    int ignored, *align_of = align;
    *align = *bytes = 0;
    while (at = skip_space(at), *at == '.') {
        char *word = at;
        at += word_length(at);
        if (begins(word, ".align"))
            *align_of = (int)strtol(at, &at, 10);
        else if (begins(word, ".ptr"))
            align_of = &ignored;
        else if (strchr("busf", word[1]) && isdigit((unsigned char)word[2]))
            *bytes = atoi(word + 2) / 8;
    }
    *n_name = word_length(at);
    if (*bytes == 0 || *n_name == 0) refuse(r, "a declaration", at);
    if (*align == 0) *align = *bytes;
    if (at[*n_name] == '[') *bytes *= atoi(at + *n_name + 1);
    return at;
}
static void read_shared(reader *r, char *at) {
    variable v;
    size_t n;
    const char *name = read_variable(r, at, &v.bytes, &v.align, &n);
    v.name = copied(name, n);
    r->variables = grown(r->variables, r->n_variables, sizeof *r->variables);
    r->variables[r->n_variables++] = v;
}
static void read_parameter(reader *r, char *at) {
    ptx_kernel *k = r->kernel;
    int bytes, align;
    size_t n;
    const char *name = read_variable(r, at, &bytes, &align, &n);
    if (k->n_parameters == (int)(sizeof k->parameters / sizeof *k->parameters)) refuse(r, "too many parameters", name);
    int start = aligned(k->parameter_bytes, align);
    k->parameters[k->n_parameters++] = (ptx_parameter){start, bytes};
    k->parameter_bytes = start + bytes;
    add_name(&r->symbols, name, n, add_slot(k, (uint64_t)start));
}

/* --- instructions ------------------------------------------------------------------------------------------------- */

/* An operand: "%r1", "{%f1, %f2}" or, an address, "[%rd1+16]". Returns what follows it. */
static char *read_operand(reader *r, char *at, int *slots, int *n, int64_t *offset) {
    bool many = *at == '{', address = *at == '[';
    if (many || address) at++;
    do {
        at = skip_space(*at == ',' ? at + 1 : at);
        size_t length = word_length(at);
        if (length == 0 || *n == 4) refuse(r, "an operand", at);
        slots[(*n)++] = slot_of(r, at, length);
        at = skip_space(at + length);
    } while (many && *at == ',');
    if (address && *at == '+') *offset = strtoll(at + 1, &at, 10);
    if (many || address) {
        if (*at != (many ? '}' : ']')) refuse(r, "an operand", at);
        at++;
    }
    at = skip_space(at);
    return skip_space(*at == ',' ? at + 1 : at);
}
static void read_operands(reader *r, char *at, ptx_instruction *i) {
    if (i->kind == PTX_STORE)
        at = read_operand(r, at, i->from, &i->n_from, &i->offset);
    else
        at = read_operand(r, at, i->to, &i->n_to, &i->offset);
    while (*at && *at != ';') { /* the values of a store follow its address */
        int more[4], n = 0;
        at = read_operand(r, at, more, &n, &i->offset);
        for (int k = 0; k < n; k++) i->from[i->n_from++] = more[k];
    }
}

/* "ld.global.v4.f32": where, and what each value is. */
static void read_access(const reader *r, const char *mnemonic, ptx_instruction *i) {
    i->kind = mnemonic[0] == 'l' ? PTX_LOAD : PTX_STORE;
    const char *rest = mnemonic + 2;
    if (begins(rest, ".global"))
        i->space = PTX_GLOBAL;
    else if (begins(rest, ".shared"))
        i->space = PTX_SHARED;
    else if (begins(rest, ".param"))
        i->space = PTX_PARAM;
    else
        refuse(r, "memory that the interpreter does not have", mnemonic);
    rest = strchr(rest + 1, '.');
    if (rest && begins(rest, ".nc.")) rest += 3;
    if (rest && (begins(rest, ".v2.") || begins(rest, ".v4."))) rest += 3;
    if (!rest || !strchr("busf", rest[1]) || atoi(rest + 2) < 8) refuse(r, "an instruction", mnemonic);
    i->bytes = atoi(rest + 2) / 8;
    i->is_signed = rest[1] == 's';
}

/* With -fmad=false sums and products say .rn. Without, they do not; or all of them have become fma. */
static void note_fusion(const char *mnemonic, ptx_kernel *k) {
    bool is_sum = begins(mnemonic, "add") || begins(mnemonic, "sub") || begins(mnemonic, "mul");
    const char *type = mnemonic + 3;
    k->may_fuse |= is_sum && (strcmp(type, ".f32") == 0 || strcmp(type, ".f64") == 0);
    k->has_rounded |= is_sum && (strcmp(type, ".rn.f32") == 0 || strcmp(type, ".rn.f64") == 0);
    k->has_fma |= begins(mnemonic, "fma");
    k->is_fused = k->may_fuse || (k->has_fma && !k->has_rounded);
}

static char *read_guard(const reader *r, char *at, ptx_instruction *i) {
    i->guard = -1;
    if (*at != '@') return at;
    i->unless = *++at == '!';
    at += i->unless;
    size_t n = word_length(at);
    i->guard = register_slot(r, at, n);
    return skip_space(at + n);
}

static void read_instruction(reader *r, char *at) {
    ptx_kernel *k = r->kernel;
    ptx_instruction i = {.line = r->line};
    at = read_guard(r, at, &i);
    size_t n = word_length(at);
    char mnemonic[64];
    snprintf(mnemonic, sizeof mnemonic, "%.*s", (int)n, at);
    at = skip_space(at + n);
    if (strcmp(mnemonic, "bra") == 0 || strcmp(mnemonic, "bra.uni") == 0) {
        i.kind = PTX_BRANCH;
        add_name(&r->jumps, at, word_length(at), k->n_code);
    } else if (strcmp(mnemonic, "bar.sync") == 0 && begins(at, "0;")) {
        i.kind = PTX_BARRIER;
    } else if (strcmp(mnemonic, "ret") == 0) {
        i.kind = PTX_END;
    } else {
        if (begins(mnemonic, "ld.") || begins(mnemonic, "st.")) read_access(r, mnemonic, &i);
        read_operands(r, at, &i);
        if (i.kind == PTX_COMPUTE && !(i.compute = ptx_operation(mnemonic, i.n_to, i.n_from)))
            refuse(r, "the interpreter does not have this instruction (ptx_operations.c)", mnemonic);
        note_fusion(mnemonic, k);
    }
    k->code = grown(k->code, k->n_code, sizeof *k->code);
    k->code[k->n_code++] = i;
}

/* --- kernels ------------------------------------------------------------------------------------------------------ */

static void begin_kernel(reader *r, ptx_kernel *k, char *at) {
    at = skip_space(strstr(at, ".entry") + strlen(".entry"));
    char *mangled = copied(at, word_length(at));
    char *name = __cxa_demangle(mangled, NULL, NULL, NULL);
    *k = (ptx_kernel){.name = ptx_plain_name(name ? name : mangled), .file = r->path};
    free(name);
    free(mangled);
    for (int i = 0; i < PTX_N_SPECIAL; i++) add_slot(k, 0);
    r->kernel = k;
}
static void end_kernel(reader *r) {
    ptx_kernel *k = r->kernel;
    const ptx_instruction *last = k->n_code > 0 ? &k->code[k->n_code - 1] : NULL;
    if (!last || last->guard >= 0 || (last->kind != PTX_END && last->kind != PTX_BRANCH))
        refuse(r, "the kernel has no end", k->name);
    for (int i = 0; i < r->jumps.n; i++) {
        int target = value_of(&r->labels, r->jumps.all[i].name, strlen(r->jumps.all[i].name));
        if (target < 0) refuse(r, "this label is not known", r->jumps.all[i].name);
        k->code[r->jumps.all[i].value].target = target;
    }
    k->ran = calloc((size_t)k->n_code, sizeof *k->ran);
    if (!k->ran) emu_stop("no memory");
    forget(&r->registers);
    forget(&r->symbols);
    forget(&r->constants);
    forget(&r->labels);
    forget(&r->jumps);
    r->kernel = NULL;
}

/* A statement that is no instruction. */
static bool read_directive(reader *r, char *at) {
    size_t n = strlen(at);
    if (*at == '(' || *at == ')') return true;
    if (begins(at, ".param"))
        read_parameter(r, at + strlen(".param"));
    else if (begins(at, ".reg"))
        read_register(r, skip_space(at + strlen(".reg")));
    else if (begins(at, ".shared"))
        read_shared(r, at + strlen(".shared"));
    else if (*at != '.' && at[n - 1] == ':')
        add_name(&r->labels, at, n - 1, r->kernel->n_code);
    else
        return begins(at, ".version") || begins(at, ".target") || begins(at, ".address_size") ||
               begins(at, ".pragma") || begins(at, ".maxntid") || begins(at, ".minnctapersm");
    return true;
}

/* A line without its comment: a part of a kernel's head, or braces and statements. */
static void read_line(reader *r, char *at) {
    while (at = skip_space(at), *at) {
        char *end = at + 1, saved;
        if (*at == '{') {
            r->depth++;
        } else if (*at == '}') {
            if (--r->depth == 0) end_kernel(r);
        } else {
            end = at + strcspn(at, ";");
            end += *end == ';';
            saved = *end;
            *end = '\0';
            if (!read_directive(r, at)) {
                if (*at == '.' || !r->kernel) refuse(r, "a directive that the interpreter does not know", at);
                read_instruction(r, at);
            }
            *end = saved;
        }
        at = end;
    }
}

int ptx_read(const char *path, ptx_kernel **kernels, int n) {
    reader r = {.path = copied(path, strlen(path))};
    char *text = NULL;
    size_t room = 0;
    ssize_t length;
    FILE *f = fopen(path, "r");
    if (!f) emu_stop("%s: cannot be read", path);
    while ((length = getline(&text, &room, f)) > 0) {
        r.line++;
        char *at = skip_space(text), *comment = strstr(at, "//");
        if (comment) *comment = '\0';
        for (size_t last = strlen(at); last > 0 && isspace((unsigned char)at[last - 1]); last--) at[last - 1] = '\0';
        if (*at == '.' && strstr(at, ".entry ")) {
            *kernels = grown(*kernels, n, sizeof **kernels);
            begin_kernel(&r, &(*kernels)[n++], at);
        } else {
            read_line(&r, at);
        }
    }
    fclose(f);
    free(text);
    for (int i = 0; i < r.n_variables; i++) free(r.variables[i].name);
    free(r.variables);
    return n;
}
