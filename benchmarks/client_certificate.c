/* Gives a client certificate to a program that has no option for one (h2load): preload it with LD_PRELOAD.
 * CLIENT_CERTIFICATE and CLIENT_KEY name PEM files. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define PEM 1 /* SSL_FILETYPE_PEM */

void *SSL_CTX_new(const void *method) {
    void *(*make)(const void *) = dlsym(RTLD_NEXT, "SSL_CTX_new");
    int (*certificate)(void *, const char *) = dlsym(RTLD_NEXT, "SSL_CTX_use_certificate_chain_file");
    int (*key)(void *, const char *, int) = dlsym(RTLD_NEXT, "SSL_CTX_use_PrivateKey_file");
    void *context = make(method);
    if (certificate(context, getenv("CLIENT_CERTIFICATE")) != 1 || key(context, getenv("CLIENT_KEY"), PEM) != 1) {
        fprintf(stderr, "client_certificate: CLIENT_CERTIFICATE or CLIENT_KEY can't be read\n");
        exit(1);
    }
    return context;
}
