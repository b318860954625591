/*
 * The money protocol (docs/ledger.md) as a model that Spin searches exhaustively: two owners, three calls, two counters; transactions whose answers are
 * lost, transactions that arrive after they were given up, kill -9 with and without a journal, owners that are declared dead and live, late settlement,
 * replay, reconciling, limits that are lowered and raised.
 *
 *   make model            searches the configurations below, and shows that each shortcut is found out
 *
 * Shortcuts, by -D:
 *   BUG_GRANT     grant while there is anything left, not only what fits      BUG_ADDITIVE  add a flush instead of setting it, without sequence numbers
 *   BUG_FROZEN    release the leases of an owner that is declared dead        BUG_REST      forget what is left of the doubt of a late owner
 *   BUG_WIRE      release what was on the wire of a killed process            BUG_LATE      a late owner does not name what is on the wire (OVERRUN)
 *   BUG_REBUILD   take a round for not written because it is not there yet
 *   BUG_PARENT    hold on the job alone (NESTED)                              BUG_WINDOW    settle on today instead of the day of the hold (WINDOWED)
 *
 * Configurations, by -D, and -DFAULTS=n of those (lost answers, deaths, false deaths, a lowered limit) in one run, -DTHREE calls instead of two:
 *   (none)    every call draws on one counter
 *   NESTED    calls draw on a job and on its parent, the second one on the parent alone
 *   WINDOWED  calls draw on today's counter, and the day ends
 *   OVERRUN   a provider may bill past the bound, and the difference is forced
 *   EXACT     owners ask for no more than a call lacks and give everything back with the next round
 *
 * Assumed: a transaction happens whole or not at all; an owner has one round on its way at a time; a provider bills what its answer says, and at most the
 * bound for a call that was cut. Amounts are small: a bound is 2, costs are 0 to 2 (3 for an overrun). What waits for time (beats, idle leases, wanted) may
 * here happen at any time, which is more than the program does.
 */

#define BOUND 2
#define CALLS 3

#if defined(NESTED) || defined(WINDOWED)
#define COUNTERS 2
#else
#define COUNTERS 1
#endif

#ifdef NESTED
#define IN(i, c) ((c) == 1 || (i) != 1)
#elif defined(WINDOWED)
#define IN(i, c) (window[i] == (c))
#else
#define IN(i, c) (true)
#endif

#define L(o, c) ((o) * COUNTERS + (c))
#define MIN(a, b) ((a) < (b) -> (a) : (b))

/* calls: FRESH, HELD, SENT, ENDED in memory, DONE */
#define FRESH 0
#define HELD 1
#define SENT 2
#define ENDED 3
#define DONE 4

/* --- durable: counters, leases, call rows, doubts, journals --- */
short limit[COUNTERS] = 4;
short committed[COUNTERS], spent[COUNTERS], doubt[COUNTERS];
bit passed[COUNTERS];                 /* the limit was lowered or force used: committed may be above it */
short granted[2 * COUNTERS], leaseSpent[2 * COUNTERS];
bit dead[2];                          /* declared, and not settled as final yet */
short unexplained[2 * COUNTERS];      /* doubt of an owner that names no call */
bit row[CALLS];
short rowCost[CALLS], callDoubt[CALLS];
byte journal[CALLS];                  /* HELD, SENT, ENDED; what a killed process leaves */
bit journalLost[2];

/* --- in the memory of an owner --- */
bit alive[2] = 1;
bit told[2];                          /* it knows that it was declared dead */
short mGranted[2 * COUNTERS], mSpent[2 * COUNTERS], giving[2 * COUNTERS];
byte state[CALLS], owner[CALLS], window[CALLS];
short cost[CALLS], rest[CALLS];       /* how it ended: cost, and what stays in doubt */

/* --- the truth at the provider --- */
short bill[CALLS];
bit answered[CALLS];

/* --- a round on its way, [0..1] by owner; [2..3] a round that was given up and may still arrive --- */
bit onWay[4], written[4], again[2];
byte calls[4];                        /* bits */
#define M(s, c) ((s) * COUNTERS + (c))
bit names[4 * COUNTERS], closes[4 * COUNTERS];
short gives[4 * COUNTERS], wants[4 * COUNTERS], forces[4 * COUNTERS];
bit stale[4];                         /* a lease that it names is no longer where the round expects it */
bit ghost[2];                         /* a round that was given up has arrived, and its owner does not know */

byte day, lowered, faults;

#define OPENHOLD(o, i) (owner[i] == (o) && (state[i] == HELD || state[i] == SENT))
#define HOLDS(o, c) (BOUND * ((OPENHOLD(o, 0) && IN(0, c)) + (OPENHOLD(o, 1) && IN(1, c)) + (OPENHOLD(o, 2) && IN(2, c))))
#define UNFLUSHED(o, i, c) ((owner[i] == (o) && state[i] == ENDED && IN(i, c)) -> cost[i] + rest[i] : 0)
#define ENDS(o, c) (UNFLUSHED(o, 0, c) + UNFLUSHED(o, 1, c) + UNFLUSHED(o, 2, c))
#define FREE(o, c) (mGranted[L(o, c)] - mSpent[L(o, c)] - ENDS(o, c) - HOLDS(o, c) - giving[L(o, c)])
#define ANYENDED(o) ((owner[0] == (o) && state[0] == ENDED) || (owner[1] == (o) && state[1] == ENDED) || (owner[2] == (o) && state[2] == ENDED))
#define ANYOPEN(o) (OPENHOLD(o, 0) || OPENHOLD(o, 1) || OPENHOLD(o, 2))
#define ACTS(o) (alive[o] && !told[o])

/* what the provider may bill for a call that was sent, as far as a bound is a bound */
#define DUE(i, c) (IN(i, c) -> ((row[i] && answered[i]) -> bill[i] : MIN(bill[i], BOUND)) : 0)

inline check() {
	for (kc : 0 .. COUNTERS - 1) {
		assert(committed[kc] == spent[kc] + doubt[kc] + granted[L(0, kc)] + granted[L(1, kc)]);                    /* I1 */
		assert(committed[kc] <= limit[kc] || passed[kc]);                                                          /* I2 */
		assert(spent[kc] + leaseSpent[L(0, kc)] + leaseSpent[L(1, kc)] ==
			(row[0] && IN(0, kc) -> rowCost[0] : 0) + (row[1] && IN(1, kc) -> rowCost[1] : 0) + (row[2] && IN(2, kc) -> rowCost[2] : 0)); /* I4 */
		assert(DUE(0, kc) + DUE(1, kc) + DUE(2, kc) <= committed[kc]);                                            /* I5 */
		assert(doubt[kc] == unexplained[L(0, kc)] + unexplained[L(1, kc)] +
			(IN(0, kc) -> callDoubt[0] : 0) + (IN(1, kc) -> callDoubt[1] : 0) + (IN(2, kc) -> callDoubt[2] : 0));
		assert(spent[kc] >= 0 && doubt[kc] >= 0);
		for (ko : 0 .. 1) {
			assert(granted[L(ko, kc)] >= leaseSpent[L(ko, kc)] && unexplained[L(ko, kc)] >= 0);
#ifndef OVERRUN
			assert(!ACTS(ko) || FREE(ko, kc) >= 0);                                                                /* I3 */
#endif
			/* with no round on its way, memory and store agree on a lease */
			assert(!ACTS(ko) || dead[ko] || onWay[ko] || ghost[ko] ||
				(mGranted[L(ko, kc)] == granted[L(ko, kc)] && mSpent[L(ko, kc)] == leaseSpent[L(ko, kc)]));
		}
	}
	for (ki : 0 .. CALLS - 1) {
		assert(!(state[ki] == DONE && answered[ki] && bill[ki] > 0) || row[ki]); /* what was billed is on the books */
	}
	kc = 0; ko = 0; ki = 0
}

/* --- calls --- */

inline fits(o, i, yes) {
	yes = true;
	for (kc : 0 .. COUNTERS - 1) {
		if
#ifdef BUG_PARENT
		:: IN(i, kc) && kc == 0 && FREE(o, kc) < BOUND -> yes = false
#else
		:: IN(i, kc) && FREE(o, kc) < BOUND -> yes = false
#endif
		:: else
		fi
	}
	kc = 0
}

inline hold(o, i) {
	owner[i] = o;
	state[i] = HELD;
	journal[i] = HELD
}

inline sent(i) {
	state[i] = SENT;
	journal[i] = SENT;
	if
	:: bill[i] = 0
	:: bill[i] = 1
	:: bill[i] = BOUND
#ifdef OVERRUN
	:: bill[i] = BOUND + 1
#endif
	fi
}

inline ends(i, c, d) {
	cost[i] = c;
	rest[i] = d;
	state[i] = ENDED;
	journal[i] = ENDED
}

/* --- rounds --- */

inline drop(s) {
	d_step {
		onWay[s] = 0; written[s] = 0; calls[s] = 0; stale[s] = 0; again[s & 1] = (s < 2 -> 0 : again[s & 1]);
		for (kc : 0 .. COUNTERS - 1) {
			names[M(s, kc)] = 0; closes[M(s, kc)] = 0; gives[M(s, kc)] = 0; wants[M(s, kc)] = 0; forces[M(s, kc)] = 0
		}
		kc = 0
	}
}

#define TAKES(o, i) ((owner[i] == (o) && state[i] == ENDED) -> (1 << (i)) : 0)
#define INROUND(s, i) ((calls[s] >> (i)) & 1)
#define TOUCHES(s, c) ((INROUND(s, 0) && IN(0, c)) || (INROUND(s, 1) && IN(1, c)) || (INROUND(s, 2) && IN(2, c)))

/* begin puts a round on its way: all calls that ended; what call i lacks, and more on top; everything free goes back if all is set. */
inline begin(o, i, asks, more, all) {
	calls[o] = TAKES(o, 0) | TAKES(o, 1) | TAKES(o, 2);
	onWay[o] = 1;
	stale[o] = ghost[o];
	for (kc : 0 .. COUNTERS - 1) {
		if
		:: FREE(o, kc) < 0 -> forces[M(o, kc)] = -FREE(o, kc)
		:: else
		fi;
		if
		:: asks && IN(i, kc) && FREE(o, kc) < BOUND -> wants[M(o, kc)] = BOUND - MIN(BOUND, (FREE(o, kc) < 0 -> 0 : FREE(o, kc))) + more
		:: else
		fi;
		if
		:: all && FREE(o, kc) > 0 -> gives[M(o, kc)] = FREE(o, kc); giving[L(o, kc)] = gives[M(o, kc)]
		:: else
		fi;
#ifdef WINDOWED
		if
		:: all && day > kc && HOLDS(o, kc) == 0 && mGranted[L(o, kc)] + mSpent[L(o, kc)] > 0 -> closes[M(o, kc)] = 1; giving[L(o, kc)] = 0; gives[M(o, kc)] = 0
		:: else
		fi;
#endif
		names[M(o, kc)] = TOUCHES(o, kc) || forces[M(o, kc)] > 0 || wants[M(o, kc)] > 0 || gives[M(o, kc)] > 0 || closes[M(o, kc)]
	}
	kc = 0;
	if
	:: calls[o] == 0 && !names[M(o, 0)] && !names[M(o, COUNTERS - 1)] -> drop(o) /* nothing to say */
	:: else
	fi
}

#define OTHER(s) ((s) < 2 -> (s) + 2 : (s) - 2)

/* arrive is the transaction of round s of owner o: refused unless every lease is where the round expects it. */
inline arrive(s, o) {
#ifdef BUG_ADDITIVE
	yes = true;
#else
	yes = !stale[s];
#endif
	if
	:: yes ->
		written[s] = 1;
		for (kc : 0 .. COUNTERS - 1) {
			if
			:: names[M(s, kc)] ->
				granted[L(o, kc)] = granted[L(o, kc)] + forces[M(s, kc)] - gives[M(s, kc)];
				committed[kc] = committed[kc] + forces[M(s, kc)] - gives[M(s, kc)];
				passed[kc] = passed[kc] || (committed[kc] > limit[kc] && forces[M(s, kc)] > 0);
				for (ki : 0 .. CALLS - 1) {
					if
#ifdef BUG_WINDOW
					:: INROUND(s, ki) && kc == day ->
#else
					:: INROUND(s, ki) && IN(ki, kc) ->
#endif
						leaseSpent[L(o, kc)] = leaseSpent[L(o, kc)] + cost[ki];
						granted[L(o, kc)] = granted[L(o, kc)] - rest[ki];
						doubt[kc] = doubt[kc] + rest[ki]
					:: else
					fi
				}
				if
#ifdef BUG_GRANT
				:: wants[M(s, kc)] > 0 && committed[kc] <= limit[kc] ->
#else
				:: wants[M(s, kc)] > 0 && committed[kc] + wants[M(s, kc)] <= limit[kc] ->
#endif
					committed[kc] = committed[kc] + wants[M(s, kc)];
					granted[L(o, kc)] = granted[L(o, kc)] + wants[M(s, kc)]
				:: else
				fi;
				stale[OTHER(s)] = stale[OTHER(s)] || (onWay[OTHER(s)] && names[M(OTHER(s), kc)]);
				if
				:: closes[M(s, kc)] ->
					spent[kc] = spent[kc] + leaseSpent[L(o, kc)];
					committed[kc] = committed[kc] - (granted[L(o, kc)] - leaseSpent[L(o, kc)]);
					granted[L(o, kc)] = 0; leaseSpent[L(o, kc)] = 0
				:: else
				fi
			:: else
			fi
		}
		for (ki : 0 .. CALLS - 1) {
			if
			:: INROUND(s, ki) ->
#ifndef BUG_ADDITIVE
				assert(!row[ki]); /* a round whose leases fit brings only what is new */
#endif
				row[ki] = 1; rowCost[ki] = cost[ki]; callDoubt[ki] = rest[ki]
			:: else
			fi
		}
	:: else
	fi;
	kc = 0; ki = 0; yes = false
}

/* absorb takes in that a round was written; what it found on the leases is what the owner goes on with. */
inline absorb(o) {
	for (ki : 0 .. CALLS - 1) {
		if
		:: INROUND(o, ki) -> state[ki] = DONE; cost[ki] = 0; rest[ki] = 0; journal[ki] = FRESH
		:: else
		fi
	}
	for (kc : 0 .. COUNTERS - 1) {
		if
		:: names[M(o, kc)] ->
			mGranted[L(o, kc)] = granted[L(o, kc)]; mSpent[L(o, kc)] = leaseSpent[L(o, kc)];
			giving[L(o, kc)] = 0
		:: else
		fi
	}
	kc = 0; ki = 0;
	ghost[o] = 0;
	drop(o)
}

/* giveUp: no answer, and the leases are as they were. The transaction may still be on its way, beside the same one sent again. */
inline giveUp(o) {
	onWay[o + 2] = 1; calls[o + 2] = calls[o]; again[o] = 1; stale[o + 2] = stale[o];
	for (kc : 0 .. COUNTERS - 1) {
		names[M(o + 2, kc)] = names[M(o, kc)]; closes[M(o + 2, kc)] = closes[M(o, kc)]; gives[M(o + 2, kc)] = gives[M(o, kc)];
		wants[M(o + 2, kc)] = wants[M(o, kc)]; forces[M(o + 2, kc)] = forces[M(o, kc)];
#ifdef BUG_REBUILD
		giving[L(o, kc)] = 0
#endif
	}
	kc = 0;
#ifdef BUG_REBUILD
	drop(o)
#endif
}

/* --- death --- */

inline declare(o) {
	dead[o] = 1;
	ghost[o] = 0;
	for (kc : 0 .. COUNTERS - 1) {
		spent[kc] = spent[kc] + leaseSpent[L(o, kc)];
#ifdef BUG_FROZEN
		committed[kc] = committed[kc] - (granted[L(o, kc)] - leaseSpent[L(o, kc)]);
#else
		doubt[kc] = doubt[kc] + granted[L(o, kc)] - leaseSpent[L(o, kc)];
		unexplained[L(o, kc)] = unexplained[L(o, kc)] + granted[L(o, kc)] - leaseSpent[L(o, kc)];
#endif
		granted[L(o, kc)] = 0; leaseSpent[L(o, kc)] = 0
	}
	kc = 0;
	drop(o + 2) /* its epoch is over: rounds that have not arrived are refused; the owner does not know it yet */
}

/* bookEnded takes a call's cost and rest out of its own doubt, then out of what the owner left unexplained; what is left is owed. */
inline bookEnded(o, i) {
	if
	:: !row[i] ->
		for (kc : 0 .. COUNTERS - 1) {
			if
			:: IN(i, kc) ->
				took = MIN(cost[i] + rest[i] - callDoubt[i], unexplained[L(o, kc)]);
				took = (took < 0 -> 0 : took);
				committed[kc] = committed[kc] + cost[i] + rest[i] - callDoubt[i] - took;
				passed[kc] = passed[kc] || committed[kc] > limit[kc];
				spent[kc] = spent[kc] + cost[i];
				doubt[kc] = doubt[kc] - callDoubt[i] - took + rest[i];
				unexplained[L(o, kc)] = unexplained[L(o, kc)] - took
			:: else
			fi
		}
		row[i] = 1; rowCost[i] = cost[i]; callDoubt[i] = rest[i]
	:: else
	fi;
	took = 0
}

/* bookSent gives a call that is on the wire a doubt of its own. */
inline bookSent(o, i) {
	if
	:: !row[i] && callDoubt[i] == 0 ->
		for (kc : 0 .. COUNTERS - 1) {
			if
			:: IN(i, kc) ->
				took = MIN(BOUND, unexplained[L(o, kc)]);
				committed[kc] = committed[kc] + BOUND - took;
				passed[kc] = passed[kc] || committed[kc] > limit[kc];
				doubt[kc] = doubt[kc] + BOUND - took;
				unexplained[L(o, kc)] = unexplained[L(o, kc)] - took
			:: else
			fi
		}
		callDoubt[i] = BOUND
	:: else
	fi;
	took = 0
}

inline releaseRest(o) {
#ifndef BUG_REST
	for (kc : 0 .. COUNTERS - 1) {
		committed[kc] = committed[kc] - unexplained[L(o, kc)];
		doubt[kc] = doubt[kc] - unexplained[L(o, kc)];
		unexplained[L(o, kc)] = 0
	}
#endif
	kc = 0;
	assert(unexplained[L(o, 0)] == 0 && unexplained[L(o, COUNTERS - 1)] == 0)
}

/* replay is what another process makes of the journal of one that is gone. */
inline replay(o) {
	for (ki : 0 .. CALLS - 1) {
		if
		:: owner[ki] == o && journal[ki] == ENDED -> bookEnded(o, ki)
		:: else
		fi
	}
	for (ki : 0 .. CALLS - 1) {
		if
#ifdef BUG_WIRE
		:: owner[ki] == o && journal[ki] == SENT -> skip
#else
		:: owner[ki] == o && journal[ki] == SENT -> bookSent(o, ki)
#endif
		:: else
		fi
	}
	ki = 0; kc = 0;
	releaseRest(o)
}

/* settleLate is what an owner that was declared dead and lives writes: what ended, and what is still on the wire; at last, that this is all. */
inline settleLate(o, acknowledged) {
	for (ki : 0 .. CALLS - 1) {
		if
		:: owner[ki] == o && state[ki] == ENDED -> bookEnded(o, ki)
		:: else
		fi
	}
#ifndef BUG_LATE
	for (ki : 0 .. CALLS - 1) {
		if
		:: OPENHOLD(o, ki) -> bookSent(o, ki)
		:: else
		fi
	}
#endif
	kc = 0;
	if
	:: acknowledged ->
		for (ki : 0 .. CALLS - 1) {
			if
			:: owner[ki] == o && state[ki] == ENDED -> state[ki] = DONE; cost[ki] = 0; rest[ki] = 0; journal[ki] = FRESH
			:: else
			fi
		}
		ki = 0;
		if
		:: !ANYOPEN(o) ->
			releaseRest(o);
			dead[o] = 0; told[o] = 0;
			for (kc : 0 .. COUNTERS - 1) {
				mGranted[L(o, kc)] = 0; mSpent[L(o, kc)] = 0; giving[L(o, kc)] = 0
			}
			kc = 0
		:: else
		fi
	:: else
	fi;
	ki = 0
}

/* reconcile ends what a gone owner left open, by what the provider's books say. */
inline reconcile(o) {
	for (ki : 0 .. CALLS - 1) {
		if
		:: owner[ki] == o && journal[ki] >= SENT && !row[ki] -> cost[ki] = bill[ki]; rest[ki] = 0; answered[ki] = 1; bookEnded(o, ki)
		:: else
		fi
	}
	ki = 0; kc = 0;
	releaseRest(o)
}

/* --- everything that may happen --- */

#ifndef FAULTS
#define FAULTS 2
#endif
#define FAULTY (faults < FAULTS)
#define FAULT faults++


#define CALL(o, i) \
	:: d_step { ACTS(o) && state[i] == FRESH -> window[i] = day; fits(o, i, yes); if :: yes -> hold(o, i) :: else -> window[i] = 0 fi; yes = false; check() } \
	:: atomic { alive[o] && owner[i] == o && state[i] == HELD -> \
		if :: sent(i) :: told[o] -> ends(i, 0, 0) :: !told[o] -> state[i] = DONE; journal[i] = FRESH fi; check() } \
	:: atomic { alive[o] && owner[i] == o && state[i] == SENT -> \
		if \
		:: bill[i] > 0 -> answered[i] = 1; ends(i, bill[i], 0) \
		:: bill[i] == 0 -> if :: told[o] -> ends(i, 0, 0) :: !told[o] -> state[i] = DONE; journal[i] = FRESH fi \
		:: bill[i] <= BOUND -> ends(i, 0, BOUND) \
		:: bill[i] <= BOUND && bill[i] > 0 -> ends(i, 1, BOUND - 1) \
		fi; check() } \
	:: d_step { ACTS(o) && !onWay[o] && state[i] == FRESH -> window[i] = day; fits(o, i, yes); \
		if :: yes -> skip :: else -> begin(o, i, 1, 0, 0) fi; yes = false; window[i] = 0; check() } \
	MORE(o, i)

#ifdef EXACT
#define MORE(o, i)
#else
#define MORE(o, i) \
	:: d_step { ACTS(o) && !onWay[o] && state[i] == FRESH -> window[i] = day; begin(o, i, 1, 1, 0); window[i] = 0; check() }
#endif

#define OWNER(o) \
	:: d_step { ACTS(o) && !onWay[o] && ANYENDED(o) -> begin(o, 0, 0, 0, 0); check() } \
	:: d_step { ACTS(o) && !onWay[o] && (ANYENDED(o) || FREE(o, 0) > 0 || FREE(o, COUNTERS - 1) > 0 || (day > 0 && mGranted[L(o, 0)] + mSpent[L(o, 0)] > 0)) -> begin(o, 0, 0, 0, 1); check() } \
	:: d_step { onWay[o] && !written[o] && !dead[o] -> arrive(o, o); \
		if :: !written[o] && alive[o] -> STALE(o) :: else fi; check() } \
	:: d_step { onWay[o] && written[o] && alive[o] && !dead[o] -> absorb(o); check() } \
	:: d_step { onWay[o] && !written[o] && alive[o] && !dead[o] && !onWay[o + 2] && !again[o] && FAULTY -> FAULT; giveUp(o); check() } \
	:: d_step { onWay[o + 2] && !dead[o] -> arrive(o + 2, o); ghost[o] = written[o + 2]; drop(o + 2); check() } \
	:: d_step { onWay[o + 2] -> drop(o + 2); check() } \
	:: d_step { alive[o] && dead[o] && !told[o] -> told[o] = 1; drop(o); drop(o + 2); check() } \
	:: d_step { alive[o] && told[o] && dead[o] -> settleLate(o, 1); check() } \
	:: d_step { alive[o] && told[o] && dead[o] && (ANYENDED(o) || ANYOPEN(o)) -> settleLate(o, 0); check() } \
	:: d_step { alive[o] && !dead[o] && FAULTY -> FAULT; declare(o); check() } \
	:: d_step { alive[o] && FAULTY -> FAULT; alive[o] = 0; told[o] = 0; drop(o); \
		for (ki : 0 .. CALLS - 1) { if :: owner[ki] == o && state[ki] == HELD && journal[ki] == HELD -> state[ki] = DONE :: else fi } ki = 0; \
		for (kc : 0 .. COUNTERS - 1) { mGranted[L(o, kc)] = 0; mSpent[L(o, kc)] = 0; giving[L(o, kc)] = 0 } kc = 0; check() } \
	:: d_step { !alive[o] && !dead[o] -> declare(o); check() } \
	:: d_step { !alive[o] && dead[o] && !journalLost[o] -> replay(o); check() } \
	:: d_step { !alive[o] && dead[o] && !journalLost[o] -> journalLost[o] = 1; check() } \
	:: d_step { !alive[o] && dead[o] -> reconcile(o); check() }

/* STALE: the store refuses a round because a lease has moved on: the same round was there before. If it was sent once only, something is wrong. */
#define STALE(o) if :: again[o] -> absorb(o) :: else -> declare(o); drop(o); told[o] = 1 fi

init {
	byte kc, ki, ko;
	short took;
	bool yes;
#ifndef THREE
	state[2] = DONE;
#endif
	do
	CALL(0, 0)
	CALL(0, 1)
	CALL(1, 1)
#ifdef THREE
	CALL(1, 2)
#endif
	OWNER(0)
	OWNER(1)
#ifdef WINDOWED
	:: d_step { day == 0 -> day = 1; check() }
#endif
	:: d_step { lowered == 0 && FAULTY -> FAULT; lowered = 1; limit[0] = 2; passed[0] = passed[0] || committed[0] > 2; check() }
	:: d_step { lowered == 1 -> lowered = 2; limit[0] = 4; check() }
	:: state[0] == DONE && state[1] == DONE && state[2] == DONE -> break
	od
}
