/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (c) 2026, the kernel.livepatch authors */
/* What the module lab_holder and its patch holder_fix share. */
#ifndef LAB_HOLD_H
#define LAB_HOLD_H

#include <linux/types.h>
#include <linux/wait.h>

struct lab_hold {
	wait_queue_head_t changed;
	bool released;
	/* A copy: a patch's own text would be gone with the patch. */
	char held_by[16];
};

/* Returns when hold->released is set. Not static, so that the compiler keeps its name and its call. */
void lab_hold(struct lab_hold *hold);

#endif
