// SPDX-License-Identifier: GPL-2.0
/*
 * What only a kernel can show: the live, hooked module under allocations and frees in every context. Here the suite whose cases are in
 * C++, and the list of all.
 */
#include <linux/moduleparam.h>
#include <linux/string.h>

#include "box.h"

static const void *next_case(const void *prev, char *desc)
{
	unsigned long index = (unsigned long)prev; /* counted from 1: NULL is the end */

	if (index == bct_cases())
		return NULL;
	strscpy(desc, bct_case_name(index), KUNIT_PARAM_DESC_SIZE);
	return (const void *)(index + 1);
}

static void core(struct kunit *test)
{
	const char *untrue;

	mutex_lock(&bc_mutex);
	untrue = bct_case_run((unsigned long)test->param_value - 1, box.id);
	mutex_unlock(&bc_mutex);
	if (untrue)
		KUNIT_FAIL(test, "not true: %s", untrue);
}

static struct kunit_case core_cases[] = {
	KUNIT_CASE_PARAM(core, next_case),
	{}
};

static BOX_SUITE(core, core_cases);

#define SUITES &core_suite, &allocations_suite, &frees_suite, &places_suite, &stop_suite, &nmi_suite

#if BC_KERNEL_6_12
kunit_test_suites(SUITES);
#else
/* 6.1 runs a module's suites before its init function: there run.sh starts them by writing to this parameter. */
static int run_suites(const char *value, const struct kernel_param *param)
{
	struct kunit_suite *suites[] = { SUITES };
	int ret = __kunit_test_suites_init(suites, ARRAY_SIZE(suites));

	__kunit_test_suites_exit(suites, ARRAY_SIZE(suites));
	return ret;
}

static const struct kernel_param_ops run_ops = { .set = run_suites };
module_param_cb(run, &run_ops, NULL, 0200);
#endif
