/* A PKCS#11 module for tests: SoftHSM's, with what the modules of vendors do besides.
 *
 * Every function is SoftHSM's; a few are replaced by ones that crash, hang, fail or print first, count tries of the
 * PIN, hide the certificates before it, or claim a reader with a keypad. Environment variables say which:
 *
 *   STUB_SOFTHSM   the path of SoftHSM's module
 *   STUB_FAULT     "crash C_Login", "hang C_Sign", "noise C_Initialize", or "5 C_Sign": the function returns CKR 5
 *   STUB_TRIES     a file with the number of tries left; a PIN that is right resets it to three
 *   STUB_LOG       a file that gets a line for every C_Login, with the type of the user
 *   STUB_HABITS    any of "hidden", "pin-pad", "pin-again", "short-pin", "raw"
 *
 * Only the names and numbers of the standard (OASIS, PKCS #11 version 3.1) are used, no header of it.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long ulong;
typedef struct { ulong type; void *value; ulong length; } attribute;
typedef struct { unsigned char version[2]; void *functions[68]; } function_list;

enum { INITIALIZE = 0, GET_TOKEN_INFO = 6, GET_MECHANISM_LIST = 7, LOGIN = 18, LOGOUT = 19, GET_ATTRIBUTE = 24,
       FIND_INIT = 26, SIGN = 43 };
enum { OK = 0, PIN_INCORRECT = 0xA0, PIN_LEN_RANGE = 0xA2, PIN_LOCKED = 0xA4, NOT_LOGGED_IN = 0x101 };
enum { COUNT_LOW = 0x10000, FINAL_TRY = 0x20000, LOCKED = 0x40000, KEYPAD = 0x100 };
enum { ALWAYS_AUTHENTICATE = 0x202, CONTEXT_SPECIFIC = 2, FLAGS_OFFSET = 96 };

static function_list *real, ours;
static int logged_in, pin_given_again;

static int has(const char *habit) {
    const char *habits = getenv("STUB_HABITS");
    return habits && strstr(habits, habit);
}

/* Does what STUB_FAULT says about the function; returns the error that it shall return, or OK. */
static ulong misbehave(const char *function) {
    const char *fault = getenv("STUB_FAULT");
    char kind[16], name[32];
    if (!fault || sscanf(fault, "%15s %31s", kind, name) != 2 || strcmp(name, function)) return OK;
    if (!strcmp(kind, "crash")) raise(SIGSEGV);
    if (!strcmp(kind, "hang")) for (;;) pause();
    if (!strcmp(kind, "noise")) {
        for (int line = 0; line < 2000; line++) {
            printf("{\"slots\": [], \"answer\": \"of the module\"}\n");
            fprintf(stderr, "PIN dialog of the module\n");
        }
        fflush(stdout);
        return OK;
    }
    return strtoul(kind, NULL, 0);
}

static int read_tries(void) {
    int tries = 3;
    FILE *file = getenv("STUB_TRIES") ? fopen(getenv("STUB_TRIES"), "r") : NULL;
    if (file) { if (fscanf(file, "%d", &tries) != 1) tries = 3; fclose(file); }
    return tries;
}

static void write_tries(int tries) {
    FILE *file = getenv("STUB_TRIES") ? fopen(getenv("STUB_TRIES"), "w") : NULL;
    if (file) { fprintf(file, "%d", tries); fclose(file); }
}

static ulong initialize(void *arguments) {
    ulong error = misbehave("C_Initialize");
    return error ? error : ((ulong (*)(void *))real->functions[INITIALIZE])(arguments);
}

static ulong get_token_info(ulong slot, unsigned char *info) {
    ulong result = ((ulong (*)(ulong, unsigned char *))real->functions[GET_TOKEN_INFO])(slot, info), flags;
    if (result) return result;
    memcpy(&flags, info + FLAGS_OFFSET, sizeof flags);
    flags &= ~(ulong)(COUNT_LOW | FINAL_TRY | LOCKED);
    if (read_tries() < 3) flags |= COUNT_LOW;
    if (read_tries() == 1) flags |= FINAL_TRY;
    if (read_tries() == 0) flags |= LOCKED;
    if (has("pin-pad")) flags |= KEYPAD;
    memcpy(info + FLAGS_OFFSET, &flags, sizeof flags);
    return OK;
}

static ulong get_mechanism_list(ulong slot, ulong *list, ulong *count) {
    const ulong raw[] = {3, 0x1041}; /* CKM_RSA_X_509, CKM_ECDSA */
    if (!has("raw"))
        return ((ulong (*)(ulong, ulong *, ulong *))real->functions[GET_MECHANISM_LIST])(slot, list, count);
    if (list) memcpy(list, raw, sizeof raw);
    *count = 2;
    return OK;
}

static ulong login(ulong session, ulong user, unsigned char *pin, ulong length) {
    ulong result;
    FILE *log = getenv("STUB_LOG") ? fopen(getenv("STUB_LOG"), "a") : NULL;
    if (log) { fprintf(log, "C_Login %lu\n", user); fclose(log); }
    if ((result = misbehave("C_Login"))) return result;
    if (has("short-pin") && length > 4) return PIN_LEN_RANGE;
    if (read_tries() == 0) return PIN_LOCKED;
    if (user == CONTEXT_SPECIFIC) { pin_given_again = 1; return OK; }
    result = ((ulong (*)(ulong, ulong, unsigned char *, ulong))real->functions[LOGIN])(session, user, pin, length);
    if (result == PIN_INCORRECT) write_tries(read_tries() - 1);
    if (result == OK) { write_tries(3); logged_in = 1; }
    return result;
}

static ulong logout(ulong session) {
    logged_in = 0;
    return ((ulong (*)(ulong))real->functions[LOGOUT])(session);
}

static ulong get_attribute_value(ulong session, ulong object, attribute *template, ulong count) {
    ulong result = ((ulong (*)(ulong, ulong, attribute *, ulong))real->functions[GET_ATTRIBUTE])(session, object, template, count);
    for (ulong number = 0; number < count && has("pin-again"); number++)
        if (template[number].type == ALWAYS_AUTHENTICATE && template[number].value)
            *(unsigned char *)template[number].value = 1;
    return result;
}

static ulong find_objects_init(ulong session, attribute *template, ulong count) {
    attribute nothing = {3, "no object has this label", 24}; /* CKA_LABEL */
    int is_hidden = has("hidden") && !logged_in;
    return ((ulong (*)(ulong, attribute *, ulong))real->functions[FIND_INIT])(
        session, is_hidden ? &nothing : template, is_hidden ? 1 : count);
}

static ulong sign(ulong session, unsigned char *data, ulong length, unsigned char *signature, ulong *size) {
    ulong error = misbehave("C_Sign");
    if (error) return error;
    if (has("pin-again") && !pin_given_again) return NOT_LOGGED_IN;
    return ((ulong (*)(ulong, unsigned char *, ulong, unsigned char *, ulong *))real->functions[SIGN])(
        session, data, length, signature, size);
}

ulong C_GetFunctionList(function_list **list) {
    ulong error = misbehave("C_GetFunctionList");
    void *library = dlopen(getenv("STUB_SOFTHSM"), RTLD_NOW);
    ulong (*get)(function_list **) = library ? dlsym(library, "C_GetFunctionList") : NULL;
    if (error || !get) return error ? error : 5;
    if (get(&real)) return 5;
    ours = *real;
    ours.functions[INITIALIZE] = initialize;
    ours.functions[GET_TOKEN_INFO] = get_token_info;
    ours.functions[GET_MECHANISM_LIST] = get_mechanism_list;
    ours.functions[LOGIN] = login;
    ours.functions[LOGOUT] = logout;
    ours.functions[GET_ATTRIBUTE] = get_attribute_value;
    ours.functions[FIND_INIT] = find_objects_init;
    ours.functions[SIGN] = sign;
    *list = &ours;
    return OK;
}
