// SPDX-License-Identifier: GPL-2.0
#include "charge.h"

namespace bc
{

// Empties this CPU's cell into the container. What is taken out of the cell is what we saw in it: a charge by an
// interrupt in between stays in the cell.
void fold(Container &c, ByteKind kind, Cells *cells, u64 packed)
{
	platform::percpu_add_return(&cells->packed[static_cast<size_t>(kind)], u64{0} - packed);
	c.bytes[static_cast<size_t>(kind)].fold(unpack(packed));
}

void uncharge_stale(Slot slot)
{
	health.count(Loss::stale);
	uncharge(slot);
}

} // namespace bc
