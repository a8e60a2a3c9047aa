// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/*
 * An ordinary module whose kernel thread stays inside lab_hold() until it is released, so that the transition
 * of a patch for lab_hold() cannot finish before:
 *
 *	echo 1 > /sys/module/lab_holder/parameters/release	the thread leaves lab_hold()
 *	echo 0 > /sys/module/lab_holder/parameters/release	the thread enters lab_hold() again
 *	cat /sys/module/lab_holder/parameters/held_by		"nobody", or the version of lab_hold() it is in
 */
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/string.h>

#include "lab_hold.h"

static struct lab_hold hold = {
	.changed = __WAIT_QUEUE_HEAD_INITIALIZER(hold.changed),
	.held_by = "nobody",
};
static struct task_struct *holder;

static int set_release(const char *value, const struct kernel_param *parameter)
{
	int error = param_set_bool(value, parameter);

	wake_up_all(&hold.changed);
	return error;
}

static const struct kernel_param_ops release_ops = {
	.set = set_release,
	.get = param_get_bool,
};

module_param_cb(release, &release_ops, &hold.released, 0644);
MODULE_PARM_DESC(release, "1 lets the thread leave lab_hold(), 0 sends it in again");
module_param_string(held_by, hold.held_by, sizeof(hold.held_by), 0444);
MODULE_PARM_DESC(held_by, "which version of lab_hold() the thread is in");

void lab_hold(struct lab_hold *hold)
{
	strscpy(hold->held_by, "original", sizeof(hold->held_by));
	wait_event_idle(hold->changed, READ_ONCE(hold->released));
	strscpy(hold->held_by, "nobody", sizeof(hold->held_by));
}

static int holder_thread(void *unused)
{
	while (!kthread_should_stop()) {
		if (!READ_ONCE(hold.released))
			lab_hold(&hold);
		wait_event_idle(hold.changed, !READ_ONCE(hold.released) || kthread_should_stop());
	}
	return 0;
}

static int __init lab_holder_init(void)
{
	holder = kthread_run(holder_thread, NULL, "lab_holder");
	return PTR_ERR_OR_ZERO(holder);
}

static void __exit lab_holder_exit(void)
{
	WRITE_ONCE(hold.released, true);
	wake_up_all(&hold.changed);
	kthread_stop(holder);
}

module_init(lab_holder_init);
module_exit(lab_holder_exit);
MODULE_DESCRIPTION("Keeps a kernel thread inside lab_hold()");
MODULE_LICENSE("GPL");
