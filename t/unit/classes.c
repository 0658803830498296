/* The table of those who hold threads, in shared memory. */

#include "board/classes.h"

#include "base/clock.h"
#include "tap.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS 3
#define S     CLOCK_US_PER_S
#define MS    CLOCK_US_PER_MS

static int add(scoreboard_ext_t *ext, const char *text, int64_t now_us)
{
    size_t length = strlen(text);

    return classes_add(ext, classes_hash(true, text, length), true, text, length, now_us);
}

static void test_names(scoreboard_ext_t *ext)
{
    char longer[200];
    ext_class_name_t name;
    int place = add(ext, "http://10.0.0.1:80", 100 * S);

    ok(classes_hash(true, "a", 1) != classes_hash(false, "a", 1), "a backend is no virtual host");
    is(classes_find(ext, classes_hash(true, "http://10.0.0.1:80", 18)), place, "it has a place");
    is(add(ext, "http://10.0.0.1:80", 101 * S), place, "... and keeps it");
    is(classes_find(ext, classes_hash(true, "http://10.0.0.2:80", 18)), CLASSES_NO_PLACE,
       "another has none yet");
    ok(scoreboard_ext_read_class_name(&ext->classes[place], &name) && name.is_backend
       && !strcmp(name.text, "http://10.0.0.1:80"), "its name is there");
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    place = add(ext, longer, 100 * S);
    ok(scoreboard_ext_read_class_name(&ext->classes[place], &name)
       && strlen(name.text) == EXT_CLASS_NAME - 1, "a long one is cut short");
}

static void test_others(scoreboard_ext_t *ext)
{
    int a = add(ext, "http://10.0.0.1:80", 1000 * S), b = add(ext, "b", 1000 * S);

    classes_note_seen(ext, a, 1000 * S);
    classes_note_seen(ext, b, 1000 * S);
    ok(classes_has_others(ext, a, 1000 * S) && classes_has_others(ext, b, 1059 * S), "two classes");
    classes_note_seen(ext, a, 1061 * S);
    ok(!classes_has_others(ext, a, 1061 * S), "the other has been quiet for a minute");
    ok(classes_has_others(ext, b, 1061 * S), "the one has not");
}

/* In a process of its own, which ends in the middle of it. */
static void test_counts(scoreboard_ext_t *ext)
{
    ext_child_t *child = &ext->children[1];
    int place = add(ext, "b", 1000 * S);
    pid_t pid = fork();

    if (pid == 0) {
        classes_begin(child, place, 1000 * S);
        classes_begin(child, place, 1000 * S);
        classes_begin(child, place, 1000 * S);
        classes_end(child, place, 0);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    is(classes_held(child, place), 2, "threads that serve it");
    is(classes_held(&ext->children[0], place), 0, "... in that child");
    scoreboard_ext_reset(ext, (int)(child - ext->children));
    is(classes_held(child, place), 0, "who takes the slot of a child that ended has none of it");
    classes_begin(child, place, 1000 * S);
    classes_take_back(child, place);
    is(atomic_load(&child->holdings[place].work), 0, "what is refused has neither begun nor ended");
}

static void test_serving(scoreboard_ext_t *ext)
{
    ext_child_t *child = &ext->children[0];
    int a = add(ext, "http://10.0.0.1:80", 1000 * S), b = add(ext, "b", 1000 * S);

    scoreboard_ext_reset(ext, 0);
    is(classes_serving(child), 0, "no thread serves anybody");
    atomic_store(&child->threads, 10);
    is(classes_serving(child), 0, "... although ten are awake");
    classes_begin(child, a, 1000 * S);
    classes_begin(child, b, 1000 * S);
    classes_begin(child, b, 1000 * S);
    classes_begin_nameless(child);
    is(classes_serving(child), 4, "requests of two classes, and one of a class without a place");
    atomic_store(&child->carrying, 2);
    is(classes_serving(child), 6, "... and threads that carry streams");
    classes_end_nameless(child);
    classes_end(child, b, 0);
    is(classes_serving(child), 4, "two have ended");
    atomic_store(&child->nameless, -5);
    atomic_store(&child->carrying, INT32_MAX);
    ok(classes_serving(child) > 0, "what somebody made up overflows no sum");
    scoreboard_ext_reset(ext, 0);
}

/* --- all at the same time --- */

#define ADDERS 4
#define RACES  10000

static scoreboard_ext_t *raced;
static pthread_barrier_t line;

static void name_of_race(char *text, size_t size, int race)
{
    snprintf(text, size, "race%d", race);
}

static void *add_all(void *unused)
{
    char text[20];
    int i;

    for (i = 0; i < RACES; i++) {
        name_of_race(text, sizeof(text), i);
        pthread_barrier_wait(&line);
        /* later than any before it has been seen */
        add(raced, text, (10000 + 100 * (int64_t)i) * S);
        pthread_barrier_wait(&line);
    }
    return unused;
}

static int places_of(const scoreboard_ext_t *ext, const char *text)
{
    uint64_t hash = classes_hash(true, text, strlen(text));
    int i, count = 0;

    for (i = 0; i < EXT_CLASSES; i++) {
        count += atomic_load(&ext->classes[i].hash) == hash;
    }
    return count;
}

/* The first requests for somebody come at the same moment. */
static void test_adding_at_once(scoreboard_ext_t *ext)
{
    pthread_t adders[ADDERS];
    char text[20];
    int i, right = 0;

    raced = ext;
    pthread_barrier_init(&line, NULL, ADDERS + 1);
    for (i = 0; i < ADDERS; i++) {
        pthread_create(&adders[i], NULL, add_all, NULL);
    }
    for (i = 0; i < RACES; i++) {
        pthread_barrier_wait(&line);
        pthread_barrier_wait(&line);
        name_of_race(text, sizeof(text), i);
        right += places_of(ext, text) == 1;
    }
    for (i = 0; i < ADDERS; i++) {
        pthread_join(adders[i], NULL);
    }
    is(right, RACES, "each has one place, whoever comes at the same time");
}

static void test_full(scoreboard_ext_t *ext)
{
    char text[20];
    int i, placed = 0, missing = -1, evicted;

    for (i = 0; i < 200; i++) {
        int place;

        snprintf(text, sizeof(text), "host%d", i);
        place = add(ext, text, 2000 * S);
        placed += place != CLASSES_NO_PLACE;
        missing = place == CLASSES_NO_PLACE ? i : missing;
        if (place != CLASSES_NO_PLACE) {
            classes_begin(&ext->children[2], place, 2000 * S);
        }
    }
    ok(placed >= EXT_CLASSES / 2 && placed <= EXT_CLASSES, "as many as there are places");
    ok(missing >= 0, "the others have none");
    snprintf(text, sizeof(text), "host%d", missing);
    is(add(ext, text, 2010 * S), CLASSES_NO_PLACE, "not while all hold a thread");
    scoreboard_ext_reset(ext, 2);
    is(add(ext, text, 2000 * S), CLASSES_NO_PLACE, "... or has done so just before");
    evicted = add(ext, text, 2010 * S);
    ok(evicted != CLASSES_NO_PLACE, "who is quiet makes room");
    is(classes_find(ext, classes_hash(true, text, strlen(text))), evicted, "it is found");
}

/* One each every_us, for hold_us */
static int64_t run(ext_child_t *child, int place, int64_t since_us, int64_t until_us,
                   int64_t hold_us, int64_t every_us)
{
    int64_t now_us;

    for (now_us = since_us; now_us < until_us; now_us += every_us) {
        if (now_us - since_us >= hold_us) {
            classes_end(child, place, hold_us);
        }
        classes_begin(child, place, now_us);
    }
    return now_us;
}

static bool is_slow(const ext_child_t *child, int place, int64_t now_us)
{
    share_pace_t pace = { 0 };
    share_seen_t seen = classes_seen(child, place, now_us);

    share_pace_add(&pace, &seen);
    return share_is_slow(&pace);
}

static void test_pace(scoreboard_ext_t *ext)
{
    ext_child_t *child = &ext->children[0];
    int place = add(ext, "pace", 3000 * S), slow = 0, i;
    int64_t now_us = run(child, place, 3000 * S, 3005 * S, 100 * MS, 2 * MS);
    share_seen_t seen = classes_seen(child, place, now_us);

    ok(seen.usual_us > 90 * MS && seen.usual_us < 110 * MS, "what is usual is learnt: 100 ms");
    ok(seen.elapsed_us[0] >= 250 * MS && seen.elapsed_us[0] < 600 * MS
       && seen.elapsed_us[1] <= seen.elapsed_us[0], "intervals are about half a second long");
    is(seen.held, 50, "Little's law: 500 a second are 50 at a time");
    ok(!is_slow(child, place, now_us), "it is not slow");
    /* now the backend is dead, at any moment of an interval */
    for (i = 0; i < 300; i += 10) {
        int64_t dead_us = run(child, place, now_us, now_us + i * MS, 0, 2 * MS);
        int64_t then_us = run(child, place, dead_us, dead_us + 420 * MS, INT64_MAX, 2 * MS);
        int held = classes_held(child, place);

        slow += is_slow(child, place, then_us);
        while (held-- > 50) {
            classes_end(child, place, 10 * MS);
        }
        now_us = run(child, place, then_us, then_us + 3 * S, 0, 2 * MS);
    }
    is(slow, 30, "a backend that dies is slow within half a second, at any moment");
    ok(!is_slow(child, place, now_us), "... and not any more when it is back");
    scoreboard_ext_reset(ext, (int)(child - ext->children));
    classes_begin(child, place, now_us);
    ok(!is_slow(child, place, now_us + 100 * MS), "a class that nobody knows is given a moment");
    ok(is_slow(child, place, now_us + 300 * MS), "... but not more");
}

int main(void)
{
    scoreboard_ext_t *ext = NULL;

    tap_begin(60);
    is(scoreboard_ext_create(&ext, SLOTS), 0, "shared memory");
    test_names(ext);
    test_others(ext);
    test_counts(ext);
    test_pace(ext);
    test_serving(ext);
    test_full(ext);
    test_adding_at_once(ext);
    scoreboard_ext_destroy(ext);
    return tap_done();
}
