/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The gets and puts that are frequent enough to be hooked by direct calls, which cost a tenth of a kprobe; of all there are, see
 * references.c. BC_REFERENCE_HOOK(number, function, way, count), with the place of the count in the object:
 *
 *   PUT, GET	the object is the first argument
 *   GET_OWN	the first thing that it does is to take a reference of the task's own user; should it fail it gives that back by
 *		free_uid(), which is hooked. Inlined, so there is no call; the function's entry is as good.
 *   GET_BOTH	GET; and by one of its callers, prepare_creds(), such a reference has just been taken, inlined as well
 *
 * No include guard: each user defines BC_REFERENCE_HOOK its own way.
 */
BC_REFERENCE_HOOK(0, free_uid, PUT, BC_USER_COUNT)
BC_REFERENCE_HOOK(1, alloc_pipe_info, GET_OWN, BC_USER_COUNT)
BC_REFERENCE_HOOK(2, put_ucounts, PUT, BC_UCOUNTS_COUNT)
BC_REFERENCE_HOOK(3, get_ucounts, GET_BOTH, BC_UCOUNTS_COUNT)
