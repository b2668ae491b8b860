/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pings an address ten times a second for ever and counts exactly: a request whose answer has not
 * come within five seconds is lost. Counting begins with the first answer, so that a peer which is
 * not up yet is no loss. Prints a line a second and one for each loss, on standard output: L2: ping
 * sent=N received=N lost=N late_ms=N silent_ms=N
 * late_ms: the longest wait for an answer so far; silent_ms: the longest time without any
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_MS 100
#define LOST_MS     5000
#define WINDOW      65536 /* sequence numbers: far more than can be under way */

struct request {
    int64_t sent_ms; /* 0: answered, judged or never sent */
};

static struct request requests[WINDOW];
static uint64_t sent, received, lost;
static int64_t late_ms, silent_ms, answered_ms;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint16_t checksum(const void *data, size_t size)
{
    const uint16_t *words = data;
    uint32_t sum = 0;
    for (size_t i = 0; i < size / 2; i++)
        sum += words[i];
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t) ~(sum + (sum >> 16));
}

static void send_request(int raw, uint32_t sequence, int64_t now)
{
    struct icmphdr echo = {.type = ICMP_ECHO};
    echo.un.echo.id = htons(0x5043);
    echo.un.echo.sequence = htons((uint16_t)sequence);
    echo.checksum = checksum(&echo, sizeof(echo));
    requests[sequence % WINDOW] = (struct request){now};
    sent++;
    /* An error here (no route, no buffer) shows as a lost request; it must not stop the count. */
    if (send(raw, &echo, sizeof(echo), 0) < 0 && received)
        printf("L2: ping send: errno %d\n", errno);
}

static void receive_answers(int raw, int64_t now)
{
    uint8_t packet[512];
    ssize_t size;
    while ((size = recv(raw, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
        const struct iphdr *ip = (const void *)packet;
        size_t header = (size_t)ip->ihl * 4;
        if ((size_t)size < header + sizeof(struct icmphdr))
            continue;
        const struct icmphdr *echo = (const void *)(packet + header);
        if (echo->type != ICMP_ECHOREPLY || echo->un.echo.id != htons(0x5043))
            continue;
        struct request *request = &requests[ntohs(echo->un.echo.sequence)];
        if (!request->sent_ms)
            continue;
        if (now - request->sent_ms > late_ms)
            late_ms = now - request->sent_ms;
        if (received && now - answered_ms > silent_ms)
            silent_ms = now - answered_ms;
        answered_ms = now;
        request->sent_ms = 0;
        received++;
    }
}

/* Every request is judged once, in order, whenever its time is up: from *oldest up to `end`. */
static void judge(uint32_t *oldest, uint32_t end, int64_t now)
{
    for (; *oldest != end; ++*oldest) {
        struct request *request = &requests[*oldest % WINDOW];
        if (!request->sent_ms)
            continue;
        if (now - request->sent_ms < LOST_MS)
            return;
        request->sent_ms = 0;
        lost++;
        printf("L2: ping lost sequence %u\n", *oldest);
    }
}

/* Until the first answer: nothing counts. */
static void forget(void)
{
    for (size_t i = 0; i < WINDOW; i++)
        requests[i].sent_ms = 0;
    sent = lost = 0;
    received = 0;
    late_ms = silent_ms = 0;
}

int main(int count, char **values)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    if (count != 2 || inet_pton(AF_INET, values[1], &to.sin_addr) != 1)
        errx(2, "usage: pinger ADDRESS");
    int raw = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    if (raw < 0 || connect(raw, (struct sockaddr *)&to, sizeof(to)))
        err(1, "socket");
    setvbuf(stdout, NULL, _IOLBF, 0);

    bool counting = false;
    uint32_t oldest = 0;
    int64_t next = now_ms();
    for (uint32_t sequence = 0;; sequence++) {
        send_request(raw, sequence, now_ms());
        next += INTERVAL_MS;
        if (next <= now_ms()) /* after a freeze: no burst, and answers are read before judging */
            next = now_ms() + INTERVAL_MS;
        for (int64_t now = now_ms(); now < next; now = now_ms()) {
            struct pollfd wait = {raw, POLLIN, 0};
            if (poll(&wait, 1, (int)(next - now)) > 0)
                receive_answers(raw, now_ms());
        }
        if (!counting && received) {
            forget();
            counting = true;
            oldest = sequence + 1;
        } else if (counting) {
            judge(&oldest, sequence + 1, now_ms());
        }
        if (counting && sequence % 10 == 0)
            printf("L2: ping sent=%llu received=%llu lost=%llu late_ms=%lld silent_ms=%lld\n",
                   (unsigned long long)sent, (unsigned long long)received, (unsigned long long)lost,
                   (long long)late_ms, (long long)silent_ms);
    }
}
