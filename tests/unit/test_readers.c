/* Readers with everything around them played: clock, timer, engine, the links to other controllers
 * and to the status process. */
#include "orchestrator/quorum/readers.h"

#include "orchestrator/quorum/cluster.h"
#include "orchestrator/quorum/quorum.h"
#include "orchestrator/sys/now.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SELF = 1, OTHER = 2, THIRD = 3, LOOK_MS = 100, WAIT_MS = 5000, CALLS_MAX = 512 };

struct engine_call {
    engine_read_cb *cb;
    void *data;
    bool is_at; /* engine_read_at */
    uint64_t index;
};

static struct quorum q;
static struct peer status;
static int64_t clock_ms;
static bool is_timer_running, is_witness, is_linked;
static timer_cb *on_timer;
static struct engine_call calls[CALLS_MAX];
static uint32_t call_count, questions, answers, oks, refusals, states;
static uint32_t question_to, answer_to;
static uint64_t question, answered, last_sequence, answer_index;
static bool answer_ok;
static char words[256];

/* ---------------------------------------------------------------- what is played */

int64_t now_mono_ms(void)
{
    return clock_ms;
}

struct timer *timer_new(struct loop *loop, timer_cb *cb, void *data)
{
    (void)loop;
    ck_assert_ptr_eq(data, &q);
    on_timer = cb;
    return (struct timer *)&is_timer_running;
}

void timer_start(struct timer *timer, int64_t delay_ms, int64_t repeat_ms)
{
    (void)timer;
    ck_assert(delay_ms == LOOK_MS && repeat_ms == LOOK_MS);
    is_timer_running = true;
}

void timer_stop(struct timer *timer)
{
    (void)timer;
    is_timer_running = false;
}

void timer_free(struct timer *timer)
{
    timer_stop(timer);
}

static void keep_call(struct engine_call call)
{
    ck_assert_uint_lt(call_count, CALLS_MAX);
    calls[call_count++] = call;
}

void engine_read(struct engine *engine, engine_read_cb *cb, void *data)
{
    (void)engine;
    keep_call((struct engine_call){.cb = cb, .data = data});
}

void engine_read_at(struct engine *engine, uint64_t index, engine_read_cb *cb, void *data)
{
    (void)engine;
    keep_call((struct engine_call){.cb = cb, .data = data, .is_at = true, .index = index});
}

int cluster_talk(struct quorum *quorum, uint32_t to, const Ephor__Talk *talk)
{
    (void)quorum;
    if (!is_linked)
        return ERR_AGAIN;
    if (talk->body_case == EPHOR__TALK__BODY_READ_QUESTION) {
        questions++;
        question_to = to;
        question = talk->read_question->number;
    } else {
        answers++;
        answer_to = to;
        answered = talk->read_answer->number;
        answer_ok = talk->read_answer->ok;
        answer_index = talk->read_answer->index;
    }
    return ERR_OK;
}

void link_send(struct link *link, const Ephor__Message *m, int fd)
{
    ck_assert(link == status.link && fd == -1);
    ck_assert_int_eq(m->body_case, EPHOR__MESSAGE__BODY_READ_REPLY);
    oks += m->read_reply->ok != 0;
    refusals += m->read_reply->ok == 0;
    last_sequence = m->read_reply->sequence;
    snprintf(words, sizeof(words), "%s", m->read_reply->text);
    if (m->read_reply->ok) {
        ck_assert_uint_eq(m->read_reply->index, q.machine.index);
        ck_assert_uint_gt(states, 0); /* the rest of what is shown was sent before */
    }
}

void peers_send_state(struct quorum *quorum)
{
    (void)quorum;
    states++;
}

const char *cluster_name_of(const struct quorum *quorum, uint32_t id)
{
    (void)quorum;
    return id == OTHER ? "c2" : id == THIRD ? "c3" : "c1";
}

bool cluster_is_witness(const struct quorum *quorum)
{
    (void)quorum;
    return is_witness;
}

void quorum_note_leader(struct quorum *quorum)
{
    (void)quorum;
}

/* ---------------------------------------------------------------- scenes */

static void set_up(void)
{
    memset(&q, 0, sizeof(q));
    q.controller = SELF;
    q.leader = OTHER;
    q.is_storage_ok = true;
    q.machine.index = 41;
    q.proposals.run = 77000;
    status = (struct peer){.quorum = &q, .link = (struct link *)&words, .generation = 3};
    clock_ms = 1000000;
    is_witness = false;
    is_linked = true;
    call_count = questions = answers = oks = refusals = states = 0;
    ck_assert(readers_open(&q));
}

static void tear_down(void)
{
    readers_close(&q);
    ck_assert(!is_timer_running);
}

static void pass(int64_t ms)
{
    for (int64_t left_ms = ms; left_ms > 0; left_ms -= LOOK_MS) {
        clock_ms += LOOK_MS;
        if (is_timer_running)
            on_timer(&q);
    }
}

static void call_back(uint32_t call, int err, uint64_t index)
{
    ck_assert_uint_lt(call, call_count);
    engine_read_cb *cb = calls[call].cb;
    calls[call].cb = NULL; /* once */
    cb(calls[call].data, err, index);
}

static void answer_from(uint32_t from, uint64_t number, bool ok, uint64_t index)
{
    Ephor__ReadAnswer answer = EPHOR__READ_ANSWER__INIT;
    answer.number = number;
    answer.ok = ok;
    answer.index = index;
    readers_on_answer(&q, from, &answer);
}

static void ask_from(uint32_t from, uint64_t number)
{
    Ephor__ReadQuestion asked = EPHOR__READ_QUESTION__INIT;
    asked.number = number;
    readers_on_question(&q, from, &asked);
}

START_TEST(one_question_serves_all_who_came_before)
{
    readers_add(&q, &status, 1);
    readers_add(&q, &status, 2);
    ck_assert_uint_eq(questions, 1);
    ck_assert_uint_gt(question, 77000);
    uint64_t first = question;
    answer_from(OTHER, first, true, 40); /* the first one's; the second one came too late for it */
    ck_assert_uint_eq(questions, 2);
    ck_assert_uint_ne(question, first);
    ck_assert(call_count == 1 && calls[0].is_at && calls[0].index == 40);
    readers_add(&q, &status, 3);
    ck_assert_uint_eq(oks, 0);
    call_back(0, ERR_OK, 40);
    ck_assert(oks == 1 && last_sequence == 1);
    answer_from(OTHER, question, true, 41);
    call_back(1, ERR_OK, 41);
    ck_assert(oks == 2 && last_sequence == 2);
    ck_assert_uint_eq(questions, 3);
    answer_from(OTHER, question, true, 41);
    call_back(2, ERR_OK, 41);
    ck_assert(oks == 3 && last_sequence == 3 && refusals == 0);
    ck_assert(!is_timer_running);
}
END_TEST

START_TEST(the_leader_asks_its_engine)
{
    q.leader = SELF;
    readers_add(&q, &status, 1);
    ck_assert(call_count == 1 && !calls[0].is_at && questions == 0);
    call_back(0, ERR_OK, 40);
    ck_assert(call_count == 2 && calls[1].is_at && calls[1].index == 40);
    call_back(1, ERR_OK, 40);
    ck_assert_uint_eq(oks, 1);
}
END_TEST

START_TEST(what_is_lost_is_asked_again)
{
    readers_add(&q, &status, 1);
    uint64_t first = question;
    pass(900);
    ck_assert_uint_eq(questions, 1);
    pass(200);
    ck_assert_uint_eq(questions, 2);
    ck_assert_uint_eq(question, first);
    answer_from(OTHER, first, true, 40); /* to whichever */
    answer_from(OTHER, first, true, 12);
    ck_assert(call_count == 1 && calls[0].index == 40);
    call_back(0, ERR_OK, 40);
    ck_assert_uint_eq(oks, 1);
}
END_TEST

START_TEST(only_the_answer_counts)
{
    readers_add(&q, &status, 1);
    answer_from(THIRD, question, true, 1);
    answer_from(OTHER, question - 1, true, 1);
    answer_from(OTHER, question + 1, true, 1);
    answer_from(OTHER, 0, true, 1);
    ck_assert_uint_eq(call_count, 0);
    answer_from(OTHER, question, false, 0);
    ck_assert_uint_eq(questions, 1); /* not at once */
    pass(LOOK_MS);
    ck_assert_uint_eq(questions, 2);
    answer_from(OTHER, question, true, 40);
    ck_assert_uint_eq(call_count, 1);
    call_back(0, ERR_OK, 40);
}
END_TEST

START_TEST(a_new_leader_is_asked)
{
    readers_add(&q, &status, 1);
    uint64_t old = question;
    q.leader = 0;
    readers_restart(&q);
    answer_from(OTHER, old, true, 30); /* nobody waits for it any more */
    ck_assert_uint_eq(call_count, 0);
    q.leader = THIRD;
    readers_restart(&q);
    ck_assert(questions == 2 && question_to == THIRD);
    answer_from(OTHER, old, true, 30);
    ck_assert_uint_eq(call_count, 0);
    answer_from(THIRD, question, true, 40);
    readers_restart(&q); /* what was answered stays so */
    ck_assert(questions == 2 && call_count == 1);
    call_back(0, ERR_OK, 40);
    ck_assert_uint_eq(oks, 1);
}
END_TEST

/* The reader that is added now is told at its deadline, and not before, what was in its way. */
static void expect_words(const char *text)
{
    uint32_t before = refusals;
    readers_add(&q, &status, 9);
    pass(WAIT_MS - LOOK_MS);
    ck_assert_uint_eq(refusals, before);
    pass(LOOK_MS);
    ck_assert_uint_eq(refusals, before + 1);
    ck_assert_str_eq(words, text);
    ck_assert(!is_timer_running);
}

START_TEST(at_the_deadline_it_says_what_was_in_the_way)
{
    q.leader = 0;
    expect_words("no leader can be reached from this controller");
    q.leader = OTHER;
    is_linked = false;
    expect_words("the leader, c2, cannot be reached from this controller");
    is_linked = true;
    expect_words("the leader, c2, does not answer");
    expect_words("the leader, c2, does not answer"); /* who waits behind the question, too */
    answer_from(OTHER, question, true, 50);
    readers_add(&q, &status, 1);
    answer_from(OTHER, question, true, 50);
    pass(WAIT_MS);
    ck_assert_str_eq(words, "this controller's log is behind that of the leader, c2");
    q.leader = SELF;
    expect_words("this controller leads, but no majority confirms it");
    readers_restart(&q);
    readers_add(&q, &status, 1);
    call_back(call_count - 1, ERR_OK, 60);
    pass(WAIT_MS);
    ck_assert_str_eq(words, "the storage of this controller is slow");
    q.is_storage_ok = false;
    expect_words("the storage of this controller fails");
    for (uint32_t i = 0; i < call_count; i++)
        if (calls[i].cb != NULL)
            call_back(i, ERR_TIMEOUT, 0);
    ck_assert_uint_eq(oks, 0);
}
END_TEST

START_TEST(who_cannot_be_served_is_told_at_once)
{
    for (uint32_t i = 0; i < 256; i++)
        readers_add(&q, &status, i);
    ck_assert(refusals == 0 && questions == 1);
    readers_add(&q, &status, 256);
    ck_assert_uint_eq(refusals, 1);
    ck_assert_str_eq(words, "too many reads wait here already");
    is_witness = true;
    readers_add(&q, &status, 257);
    ck_assert_str_eq(words, "this controller is a witness, which keeps no state");
    status.generation++; /* the others asked over a link that is gone */
    pass(WAIT_MS);
    ck_assert_uint_eq(refusals, 2);
    ck_assert(!is_timer_running);
}
END_TEST

START_TEST(others_are_answered)
{
    ask_from(THIRD, 5);
    ask_from(OTHER, 6);
    ck_assert(call_count == 2 && !calls[0].is_at && answers == 0);
    call_back(1, ERR_OK, 44);
    ck_assert(answers == 1 && answer_to == OTHER && answered == 6 && answer_ok);
    ck_assert_uint_eq(answer_index, 44);
    call_back(0, ERR_AGAIN, 0);
    ck_assert(answers == 2 && answer_to == THIRD && answered == 5 && !answer_ok);
    for (uint32_t i = 0; i < 100; i++)
        ask_from(OTHER, 7 + i);
    ck_assert_uint_eq(call_count, 2 + 64);
    for (uint32_t i = 2; i < 66; i++)
        call_back(i, ERR_CANCELED, 0);
    ask_from(OTHER, 200);
    ck_assert_uint_eq(call_count, 67);
    call_back(66, ERR_CANCELED, 0);
}
END_TEST

START_TEST(the_end_is_told)
{
    q.leader = SELF;
    readers_add(&q, &status, 1);
    call_back(0, ERR_OK, 50);
    readers_add(&q, &status, 2);
    ck_assert_uint_eq(call_count, 3);
    call_back(1, ERR_CANCELED, 0);
    call_back(2, ERR_CANCELED, 0);
    ck_assert_uint_eq(refusals, 2);
    ck_assert_str_eq(words, "ephord is ending");
    q.leader = 0;
    readers_add(&q, &status, 3); /* freed unasked */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("readers");
    TCase *tc = tcase_create("readers");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, one_question_serves_all_who_came_before);
    tcase_add_test(tc, the_leader_asks_its_engine);
    tcase_add_test(tc, what_is_lost_is_asked_again);
    tcase_add_test(tc, only_the_answer_counts);
    tcase_add_test(tc, a_new_leader_is_asked);
    tcase_add_test(tc, at_the_deadline_it_says_what_was_in_the_way);
    tcase_add_test(tc, who_cannot_be_served_is_told_at_once);
    tcase_add_test(tc, others_are_answered);
    tcase_add_test(tc, the_end_is_told);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
