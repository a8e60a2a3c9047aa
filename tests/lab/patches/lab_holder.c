// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/*
 * An ordinary module with two kernel threads that stay inside lab_hold() until they are released, so that the transition
 * of a patch for lab_hold() cannot finish before. The first one enters at once, the late one when it is told to:
 *
 *	echo 1 > /sys/module/lab_holder/parameters/release		the thread leaves lab_hold()
 *	echo 0 > /sys/module/lab_holder/parameters/release		the thread enters lab_hold() again
 *	cat /sys/module/lab_holder/parameters/held_by			"nobody", or the version of lab_hold() it is in
 *	late_release, late_held_by					the same of the late thread
 *
 * In the middle of a transition that the first thread holds, the late one enters the new function: then it holds the
 * transition the other way, which has no end in either direction.
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
static struct lab_hold late_hold = {
	.changed = __WAIT_QUEUE_HEAD_INITIALIZER(late_hold.changed),
	.released = true,
	.held_by = "nobody",
};
static struct task_struct *holder;
static struct task_struct *late_holder;

static int set_release(const char *value, const struct kernel_param *parameter)
{
	int error = param_set_bool(value, parameter);

	wake_up_all(&hold.changed);
	wake_up_all(&late_hold.changed);
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
module_param_cb(late_release, &release_ops, &late_hold.released, 0644);
MODULE_PARM_DESC(late_release, "the same for the late thread, which begins outside");
module_param_string(late_held_by, late_hold.held_by, sizeof(late_hold.held_by), 0444);
MODULE_PARM_DESC(late_held_by, "which version of lab_hold() the late thread is in");

void lab_hold(struct lab_hold *hold)
{
	strscpy(hold->held_by, "original", sizeof(hold->held_by));
	wait_event_idle(hold->changed, READ_ONCE(hold->released));
	strscpy(hold->held_by, "nobody", sizeof(hold->held_by));
}

static int holder_thread(void *data)
{
	struct lab_hold *mine = data;

	while (!kthread_should_stop()) {
		if (!READ_ONCE(mine->released))
			lab_hold(mine);
		wait_event_idle(mine->changed, !READ_ONCE(mine->released) || kthread_should_stop());
	}
	return 0;
}

static void stop(struct task_struct *thread, struct lab_hold *its)
{
	WRITE_ONCE(its->released, true);
	wake_up_all(&its->changed);
	kthread_stop(thread);
}

static int __init lab_holder_init(void)
{
	holder = kthread_run(holder_thread, &hold, "lab_holder");
	if (IS_ERR(holder))
		return PTR_ERR(holder);
	late_holder = kthread_run(holder_thread, &late_hold, "lab_late_holder");
	if (IS_ERR(late_holder)) {
		stop(holder, &hold);
		return PTR_ERR(late_holder);
	}
	return 0;
}

static void __exit lab_holder_exit(void)
{
	stop(holder, &hold);
	stop(late_holder, &late_hold);
}

module_init(lab_holder_init);
module_exit(lab_holder_exit);
MODULE_DESCRIPTION("Keeps kernel threads inside lab_hold()");
MODULE_LICENSE("GPL");
