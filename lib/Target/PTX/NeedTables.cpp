//===- NeedTables.cpp - Which instruction needs which chip ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "NeedTables.h"

#include "llvm/Support/GlobPattern.h"
#include <vector>

using namespace attn;

bool Need::isMetBy(const PtxChip &chip) const {
  bool isOwn = chip.variant == 'a' && chip.number == number;
  switch (reach) {
  case Reach::From:
    return chip.number >= number;
  case Reach::Own:
    return isOwn;
  case Reach::OwnOn:
    return isOwn || (chip.variant && chip.number >= 100);
  case Reach::Family:
    return chip.variant && chip.number / 10 == number / 10;
  case Reach::TensorMemory:
    return chip.variant && chip.number >= 100 && chip.number < 120;
  }
  return false;
}

std::string Need::describe() const {
  std::string text = "sm_" + std::to_string(number);
  switch (reach) {
  case Reach::From:
    text += " or later";
    break;
  case Reach::Own:
    text += "a";
    break;
  case Reach::OwnOn:
    text += "a, or sm_100a or later of variant a or f,";
    break;
  case Reach::Family:
    text += "a or another chip of its family";
    break;
  case Reach::TensorMemory:
    text = "sm_100a, sm_103a, sm_110a or their variant f";
    break;
  }
  return text + " with PTX level " + std::to_string(level) + " or higher";
}

// LLVM 22 is measured: unittests/Target/PTX/NeedTablesTest.cpp generates code
// for each intrinsic at the level of its row and one below. Where LLVM is more
// generous than the PTX manual, the manual stands here.
static const Need intrinsicRows[] = {
    // Products of matrices.
    {"mma.sp*", Reach::From, 0, 0},
    {"mma.block*", Reach::From, 0, 0},
    {"mma.*.kind.*", Reach::Family, 120, 87},
    {"mma.m16n8k16.*.e[45]m*", Reach::From, 89, 87},
    {"mma.m16n8k32.*.e[45]m*", Reach::From, 89, 84},
    {"mma.m16n8k*.f64", Reach::From, 90, 78},
    {"mma.and.popc.*", Reach::From, 80, 71},
    {"mma.*", Reach::From, 80, 70},
    {"wgmma.*", Reach::Own, 90, 80},
    {"setmaxnreg.*", Reach::OwnOn, 90, 80},
    {"tcgen05.mma.sp*", Reach::From, 0, 0},
    {"tcgen05.shift.*", Reach::From, 0, 0},
    {"tcgen05.mma.*scale_d*", Reach::Family, 100, 86},
    {"tcgen05.mma.*block_scale.block*", Reach::TensorMemory, 100, 88},
    {"tcgen05.*", Reach::TensorMemory, 100, 86},
    {"ldmatrix.sync.aligned.m8n8.*", Reach::From, 80, 70},
    {"ldmatrix.*", Reach::OwnOn, 100, 86},
    {"stmatrix.sync.aligned.m8n8.*", Reach::From, 90, 78},
    {"stmatrix.*", Reach::OwnOn, 100, 86},
    // Copies.
    {"cp.async.bulk.global.to.shared.cta*", Reach::From, 90, 86},
    {"cp.async.bulk.shared.cta.to.global.bytemask*", Reach::From, 100, 86},
    {"cp.async.bulk.tensor.*.w.128.*", Reach::TensorMemory, 100, 86},
    {"cp.async.bulk.tensor.g2s.cta.im2col.w.*", Reach::From, 100, 86},
    {"cp.async.bulk.tensor.g2s.cta.tile.gather4.*", Reach::From, 100, 86},
    {"cp.async.bulk.tensor.g2s.cta.*", Reach::From, 90, 86},
    {"cp.async.bulk.tensor.*.w.*", Reach::TensorMemory, 100, 86},
    {"cp.async.bulk.tensor.*.gather4.*", Reach::TensorMemory, 100, 86},
    {"cp.async.bulk.tensor.*.scatter4.*", Reach::TensorMemory, 100, 86},
    {"cp.async.bulk.*", Reach::From, 90, 80},
    {"cp.async.*", Reach::From, 80, 70},
    {"st.bulk*", Reach::From, 100, 86},
    {"tensormap.replace.swizzle.atomicity*", Reach::OwnOn, 100, 87},
    {"tensormap.replace.*", Reach::OwnOn, 90, 83},
    {"prefetch*", Reach::From, 90, 80},
    {"applypriority.*", Reach::From, 80, 74},
    // Order and waiting.
    {"mbarrier.*.relaxed.*", Reach::From, 90, 86},
    {"mbarrier.*scope.cluster*", Reach::From, 90, 80},
    {"mbarrier.*space.cluster*", Reach::From, 90, 80},
    {"mbarrier.arrive*.scope.cta.space.cta*", Reach::From, 90, 80},
    {"mbarrier.*.tx.*", Reach::From, 90, 80},
    {"mbarrier.try.wait*", Reach::From, 90, 78},
    {"mbarrier.test.wait.parity*", Reach::From, 80, 71},
    {"mbarrier.*", Reach::From, 80, 70},
    {"fence.proxy.alias", Reach::From, 80, 75},
    {"fence.*sync_restrict*", Reach::From, 90, 86},
    {"fence.proxy.tensormap*", Reach::From, 90, 83},
    {"fence.proxy.async*", Reach::From, 90, 80},
    {"fence.mbarrier_init*", Reach::From, 90, 80},
    {"fence.sc.cluster", Reach::From, 90, 78},
    {"barrier.cluster.arrive.relaxed*", Reach::From, 90, 80},
    {"barrier.cluster.*", Reach::From, 90, 78},
    {"barrier*", Reach::From, 80, 70},
    {"bar.*", Reach::From, 80, 70},
    {"membar.*", Reach::From, 80, 70},
    {"griddepcontrol.*", Reach::From, 90, 78},
    {"clusterlaunchcontrol.*multicast*", Reach::OwnOn, 100, 86},
    {"clusterlaunchcontrol.*", Reach::From, 100, 86},
    {"nanosleep", Reach::From, 80, 70},
    {"exit", Reach::From, 80, 70},
    // Threads of a warp, places.
    {"elect.sync", Reach::From, 90, 80},
    {"redux.sync.f*", Reach::Family, 100, 86},
    {"redux.sync.*", Reach::From, 80, 70},
    {"shfl.sync.*", Reach::From, 80, 70},
    {"vote.*sync", Reach::From, 80, 70},
    {"match.*", Reach::From, 80, 70},
    {"activemask", Reach::From, 80, 70},
    {"mapa*", Reach::From, 90, 78},
    {"getctarank*", Reach::From, 90, 78},
    {"is_explicit_cluster", Reach::From, 90, 78},
    {"isspacep.shared.cluster", Reach::From, 90, 78},
    {"isspacep.*", Reach::From, 80, 70},
    {"read.ptx.sreg.aggr_smem_size", Reach::From, 90, 81},
    {"read.ptx.sreg.cluster*", Reach::From, 90, 78},
    {"read.ptx.sreg.nclusterid*", Reach::From, 90, 78},
    {"read.ptx.sreg.*", Reach::From, 80, 70},
    // Conversions.
    {"f16x2.to.e[45]m*", Reach::From, 90, 78},
    {"f16x2.to.e[45]m*", Reach::From, 89, 81},
    {"e4m3x2.to.f16x2.*", Reach::From, 90, 78},
    {"e4m3x2.to.f16x2.*", Reach::From, 89, 81},
    {"e5m2x2.to.f16x2.*", Reach::From, 90, 78},
    {"e5m2x2.to.f16x2.*", Reach::From, 89, 81},
    {"ff.to.e[45]m*", Reach::From, 90, 78},
    {"ff.to.e[45]m*", Reach::From, 89, 81},
    {"ff.to.*", Reach::OwnOn, 100, 86},
    {"e[23]m?x2.to.*", Reach::OwnOn, 100, 86},
    {"bf16x2.to.ue8m0x2.*", Reach::OwnOn, 100, 86},
    {"ue8m0x2.to.*", Reach::OwnOn, 100, 86},
    {"f2tf32.r[nz]*satfinite", Reach::From, 100, 86},
    {"f2tf32.r[nz].*", Reach::From, 90, 78},
    {"f2tf32.r[nz]", Reach::From, 90, 78},
    {"ff2*16x2.rs*", Reach::From, 0, 0},
    {"f32x4.to.*", Reach::From, 0, 0},
    {"f*2*satfinite", Reach::From, 80, 81},
    {"f2*", Reach::From, 80, 70},
    {"ff2*16x2.*", Reach::From, 80, 70},
    {"d2*", Reach::From, 80, 70},
    {"i2*", Reach::From, 80, 70},
    {"ui2*", Reach::From, 80, 70},
    {"ll2*", Reach::From, 80, 70},
    {"ull2*", Reach::From, 80, 70},
    {"lohi.i2d", Reach::From, 80, 70},
    // Arithmetic.
    {"ex2.approx.ftz.*bf16", Reach::From, 90, 78},
    {"??2.approx*.d", Reach::From, 0, 0},
    {"ex2.approx*", Reach::From, 80, 70},
    {"lg2.approx*", Reach::From, 80, 70},
    {"sin.approx*", Reach::From, 80, 70},
    {"cos.approx*", Reach::From, 80, 70},
    {"rcp.*", Reach::From, 80, 70},
    {"rsqrt.*", Reach::From, 80, 70},
    {"sqrt.*", Reach::From, 80, 70},
    {"div.*", Reach::From, 80, 70},
    {"fm??.*xorsign*", Reach::From, 0, 0},
    {"fm??.ftz.*bf16*", Reach::From, 0, 0},
    {"fm??.*", Reach::From, 80, 70},
    {"fma.*ftz*bf16*", Reach::From, 0, 0},
    {"fma.*sat*bf16*", Reach::From, 0, 0},
    {"fma.*", Reach::From, 80, 70},
    {"add.*", Reach::From, 80, 70},
    {"mul*", Reach::From, 80, 70},
    {"fabs*", Reach::From, 80, 70},
    {"neg.*", Reach::From, 80, 70},
    {"ceil.*", Reach::From, 80, 70},
    {"floor.*", Reach::From, 80, 70},
    {"trunc.*", Reach::From, 80, 70},
    {"round.*", Reach::From, 80, 70},
    {"saturate.*", Reach::From, 80, 70},
    {"idp*", Reach::From, 80, 70},
    {"sad.*", Reach::From, 80, 70},
    {"prmt*", Reach::From, 80, 70},
    {"fsh?.clamp*", Reach::From, 80, 70},
    {"flo.*", Reach::From, 80, 70},
    {"bmsk.*", Reach::From, 80, 76},
    {"sext.*", Reach::From, 80, 76},
    {"zext.*", Reach::From, 80, 76},
};

// From the tables of versions in the PTX manual, at each instruction.
static const Need assemblyRows[] = {
    {"mma.*kind::*", Reach::Family, 120, 87},
    {"mma.*m16n8k16.*.e[45]m*", Reach::From, 89, 87},
    {"mma.*.e[45]m*", Reach::From, 89, 84},
    {"mma.*.f64", Reach::From, 80, 70},
    {"wgmma.*", Reach::Own, 90, 80},
    {"setmaxnreg.*", Reach::OwnOn, 90, 80},
    {"tcgen05.*", Reach::TensorMemory, 100, 86},
    {"ldmatrix.*m16n16*", Reach::OwnOn, 100, 86},
    {"ldmatrix.*m8n16*", Reach::OwnOn, 100, 86},
    {"stmatrix.*.b8", Reach::OwnOn, 100, 86},
    {"stmatrix.*", Reach::From, 90, 78},
    {"cp.async.bulk.*.shared::cta.global*", Reach::From, 90, 86},
    {"cp.async.bulk.shared::cta.global*", Reach::From, 90, 86},
    {"cp.async.bulk*", Reach::From, 90, 80},
    {"cp.reduce.async.bulk*", Reach::From, 90, 80},
    {"cp.async.*L2::*", Reach::From, 80, 74},
    {"tensormap.replace*", Reach::OwnOn, 90, 83},
    {"mbarrier.*.relaxed*", Reach::From, 90, 80},
    {"mbarrier.*.cluster.*", Reach::From, 90, 80},
    {"mbarrier.*::cluster*", Reach::From, 90, 80},
    {"mbarrier.*expect_tx*", Reach::From, 90, 80},
    {"mbarrier.*complete_tx*", Reach::From, 90, 80},
    {"mbarrier.try_wait*", Reach::From, 90, 78},
    {"mbarrier.test_wait.parity*", Reach::From, 80, 71},
    {"mbarrier.*::cta*", Reach::From, 80, 78},
    {"fence.proxy.tensormap*", Reach::From, 90, 83},
    {"fence.proxy.async*", Reach::From, 90, 80},
    {"fence.mbarrier_init*", Reach::From, 90, 80},
    {"fence.*.cluster", Reach::From, 90, 78},
    {"barrier.cluster.*.relaxed*", Reach::From, 90, 80},
    {"barrier.cluster.*", Reach::From, 90, 78},
    {"griddepcontrol.*", Reach::From, 90, 78},
    {"clusterlaunchcontrol.*", Reach::From, 100, 86},
    {"elect.sync*", Reach::From, 90, 80},
    {"redux.sync.*f32", Reach::Family, 100, 86},
    {"mapa*", Reach::From, 90, 78},
    {"getctarank*", Reach::From, 90, 78},
    {"st.async*", Reach::From, 90, 81},
    {"red.async*", Reach::From, 90, 81},
    {"multimem.*", Reach::From, 90, 81},
    {"createpolicy*", Reach::From, 80, 74},
    {"discard*", Reach::From, 80, 74},
    {"applypriority*", Reach::From, 80, 74},
    {"cvt.*.e[45]m???*", Reach::From, 90, 78},
    {"cvt.*.e[45]m???*", Reach::From, 89, 81},
    {"cvt.*.e[23]m*", Reach::OwnOn, 100, 86},
    {"cvt.*ue8m0*", Reach::OwnOn, 100, 86},
    {"ex2.approx.ftz.bf16*", Reach::From, 90, 78},
    {"tanh.approx.bf16*", Reach::From, 90, 78},
    {"*.f32x2", Reach::From, 100, 86},
    {"*::cluster*", Reach::From, 90, 78},
    {"*::cta*", Reach::From, 80, 78},
    {"ld.*L[12]::*", Reach::From, 80, 74},
    {"st.*L[12]::*", Reach::From, 80, 74},
};

namespace {
/// A table with its patterns made ready. Immutable behind its constructor.
class Matcher {
public:
  explicit Matcher(ArrayRef<Need> rows) : rows(rows) {
    for (const Need &row : rows) {
      patterns.push_back(
          llvm::cantFail(llvm::GlobPattern::create(row.pattern)));
    }
  }

  ArrayRef<Need> find(StringRef name) const {
    for (size_t i = 0; i < rows.size(); ++i) {
      if (patterns[i].match(name)) {
        size_t last = i + 1;
        while (last < rows.size() &&
               StringRef(rows[last].pattern) == rows[i].pattern) {
          ++last;
        }
        return rows.slice(i, last - i);
      }
    }
    return {};
  }

private:
  ArrayRef<Need> rows;
  std::vector<llvm::GlobPattern> patterns;
};
} // namespace

ArrayRef<Need> attn::findIntrinsicNeeds(StringRef name) {
  static const Matcher matcher(intrinsicRows);
  name.consume_front("llvm.nvvm.");
  return matcher.find(name);
}

ArrayRef<Need> attn::findAssemblyNeeds(StringRef mnemonic) {
  static const Matcher matcher(assemblyRows);
  return matcher.find(mnemonic);
}
