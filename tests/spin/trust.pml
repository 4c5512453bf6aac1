/* The protocol by which an instance may answer from its cache, as a model for spin (ARCHITECTURE.md, consistency).
 *
 * Three instances, one database, one event whose versions are the sequence numbers of commits. Instance 0 writes, 1 and 2 follow; 1 is read. Everything that takes time in the world takes several steps here, between which all others may move: a statement is
 * sent, carried out by the database, and its answer is received, each at some other time (delayed messages). An instance may
 * crash at any step, and then never moves again; a hang is a process that is not scheduled. The clock ticks between any two
 * steps. Notifications are not modelled: they only make things happen earlier.
 *
 * P1: a read that starts after a write was answered shows it, on whatever instance.      assert(shown >= answered_then)
 * P4: reads of one instance that do not overlap never go back.                            assert(shown >= seen_then)
 *
 * Checked as it stands, and broken on purpose: each of NO_WAIT, SWAPPED, LATE_CLOCK, CHECK_AFTER and AHEAD must fail.
 * The bounds (how often each does what) are macros, so that what is checked fully is known: see test_model.py. */
#ifndef LEASE
#define LEASE 2
#endif
#ifndef TICKS
#define TICKS 4     /* the end of time */
#endif
#ifndef WRITES
#define WRITES 1
#endif
#ifndef TURNS
#define TURNS 1     /* of each follower */
#endif
#ifndef READS
#define READS 2     /* of each reader */
#endif
#define INSTANCES 3

/* Followers of 1 .. INSTANCES-1; instance 0 is the writer's own, which applies its changes itself. */
byte now;                    /* clocks run at one rate; nobody compares readings of two */
byte head;                   /* commits in the database */
byte row_until[INSTANCES];   /* the table of instances: the lease as the database knows it */
byte row_seen[INSTANCES];
byte applied[INSTANCES];     /* what the caches of an instance show */
byte lease[INSTANCES];       /* until when it may answer from them */
byte shown_ahead[INSTANCES]; /* answered from the primary, ahead of what is applied */
bool crashed[INSTANCES];
byte answered;               /* the newest write whose client has its answer */
byte seen[INSTANCES];        /* the newest version that a finished read of the instance has shown */

#define LEASED_AND_BEHIND(i, s) (now < row_until[i] && row_seen[i] < (s))
#ifdef AHEAD
#define HELD(i) (now < lease[i])
#else
#define HELD(i) (now < lease[i] && applied[i] >= shown_ahead[i])
#endif

active proctype clock()
{
	do
	:: now < TICKS -> now++
	:: now == TICKS -> break
	od
}

/* Steps of instance 1, one by one. */
proctype follower(byte i)
{
	byte turn, noted, got;

	do
	:: turn == TURNS -> break
	:: turn < TURNS && !crashed[i] ->
		turn++;
#ifdef SWAPPED
		got = head;                                /* the log is read … */
		noted = now;                               /* … and only then is the lease renewed */
		row_until[i] = now + LEASE;
#else
		noted = now;                               /* before the renewal is sent */
		d_step { row_until[i] = now + LEASE; row_seen[i] = applied[i] } /* the renewal commits, at some later time */
		got = head;                                /* a snapshot taken after its answer came */
#endif
		if
		:: got > applied[i] -> applied[i] = got    /* the answer arrives at some later time still */
		:: else
		fi;
#ifdef LATE_CLOCK
		lease[i] = now + LEASE;                    /* counted from the answer */
#else
		if
		:: noted + LEASE > lease[i] -> lease[i] = noted + LEASE
		:: else
		fi;
#endif
		row_seen[i] = applied[i]                   /* recorded in the database; writers are told */
	:: turn < TURNS -> crashed[i] = true; break
	od
}

/* Commits, applies at home, waits for the others, answers. */
active proctype writer()
{
	byte s, n;

	do
	:: n == WRITES -> break
	:: n < WRITES ->
		n++;
		d_step { head++; s = head }                /* COMMIT */
		applied[0] = s;
#ifndef NO_WAIT
		/* One statement, one snapshot. It may be blocked for as long as it likes. */
		!(LEASED_AND_BEHIND(1, s) || LEASED_AND_BEHIND(2, s));
#endif
		answered = s                               /* the answer arrives */
	od
}

proctype reader(byte i)
{
	byte must, not_before, got, k;
	bool held;

	do
	:: k == READS || crashed[i] -> break
	:: k < READS && !crashed[i] ->
		k++;
		d_step { must = answered; not_before = seen[i] }  /* the request starts */
#ifdef CHECK_AFTER
		got = applied[i];                          /* the entry is taken … */
		held = HELD(i);                            /* … and then the lease is looked at: maybe a new one */
#else
		held = HELD(i);
		got = applied[i];
#endif
		if
		:: held
		:: !held ->
			got = head;                        /* the primary; its answer is on its way */
			if
			:: got > shown_ahead[i] -> shown_ahead[i] = got
			:: else
			fi
		fi;
		d_step {                                   /* the answer is sent */
			assert(got >= must);               /* P1 */
			assert(got >= not_before);         /* P4 */
			if
			:: got > seen[i] -> seen[i] = got
			:: else
			fi;
			got = 0; must = 0; not_before = 0; held = false
		}
	od
}

/* The third instance: its turn is one step, so that the space stays small enough to be searched whole; it may also never come,
 * or leave its row behind in a crash, so that the writer has to wait for the row's end. */
active proctype third()
{
	if
	:: d_step { row_until[2] = now + LEASE; applied[2] = head; lease[2] = now + LEASE; row_seen[2] = head }
	:: d_step { row_until[2] = now + LEASE; crashed[2] = true }
	:: crashed[2] = true
	fi
}

init {
	atomic {
		run follower(1);
		run reader(1);
#ifdef SECOND_READER
		run reader(2);
#endif
	}
}
