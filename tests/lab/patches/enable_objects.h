/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (c) 2026, the kernel.livepatch authors */
/* The rest of a patch, for a source that defines `objects`, and REPLACES if it replaces other patches. It comes last. */
static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
#ifdef REPLACES
	.replace = true,
#endif
};

static int __init enable_objects_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit enable_objects_exit(void)
{
}

module_init(enable_objects_init);
module_exit(enable_objects_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
