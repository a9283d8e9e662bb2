/* The service that every contender runs: as its first act it says to the benchmark that it is there.
 *
 *     service SOCKET NAME                a sleeper
 *     service SOCKET NAME LINES BYTES    writes LINES lines of 100 bytes, BYTES in each write, says so, and sleeps
 *
 * Linked statically, so that starting it costs next to nothing: what is measured is the supervisor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINE = 100, LARGEST = 1 << 20 };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void say(const char *path, const char *name, const char *word) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[256];
    int length = snprintf(text, sizeof text, "%s %d %s", name, (int)getpid(), word);
    int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (out < 0 || sendto(out, text, length, 0, (struct sockaddr *)&address, sizeof address) != length)
        fail(path);
    close(out);
}

static void write_all(const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, length);
        if (written < 0)
            fail("stdout");
        bytes += written;
        length -= written;
    }
}

static void write_lines(unsigned long lines, size_t block) {
    static char buffer[LARGEST];
    char number[LINE];
    size_t used = 0;
    for (unsigned long line = 1; line <= lines; line++) {
        int head = snprintf(number, sizeof number, "line %010lu ", line);
        memcpy(buffer + used, number, head);
        memset(buffer + used + head, 'x', LINE - head - 1);
        buffer[used + LINE - 1] = '\n';
        used += LINE;
        if (used + LINE > block) {
            write_all(buffer, used);
            used = 0;
        }
    }
    write_all(buffer, used);
}

int main(int count, char **words) {
    if (count != 3 && count != 5) {
        fprintf(stderr, "usage: service SOCKET NAME [LINES BYTES]\n");
        return 2;
    }
    say(words[1], words[2], "first");
    if (count == 5) {
        size_t block = strtoul(words[4], NULL, 10);
        write_lines(strtoul(words[3], NULL, 10), block < LARGEST ? block : LARGEST);
        say(words[1], words[2], "done");
    }
    for (;;)
        pause();
}
