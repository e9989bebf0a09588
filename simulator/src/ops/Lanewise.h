//===- Lanewise.h - Handlers that work lane by lane -------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// handler<F, D, S...>: d = F{}(s...) for every lane that runs, with each
// operand read as its type. Types of less than 4 bytes lie in 4-byte lanes:
// they are cut when read and zero-extended when written.
//
//     struct Add { template <class T> T operator()(T a, T b) const {...} };
//     inst.run = lanewise<Add, uint32_t, uint32_t, uint32_t>();
//
// Every handler is compiled twice, for any machine and for one with AVX2 and
// FMA; lanewise() picks. Both give the same bits: nothing is contracted, and
// std::fma rounds once on either.
//
// A source whose register is wider than its type (cvt, st) must be narrowed by
// its decoder: see laneBytes.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_LANEWISE_H
#define PTXSIM_OPS_LANEWISE_H

#include "exec/Warp.h"
#include "program/WideLanes.h"

#include <bit>
#include <tuple>
#include <type_traits>
#include <utility>

namespace ptxsim {

/// The unsigned integer that holds a lane of T.
template <class T>
using LaneOf = std::conditional_t<sizeof(T) <= 4, uint32_t, uint64_t>;

/// The halves of a packed word: low half first.
template <class T> struct Pair {
  T low, high;
};

template <size_t N> struct UnsignedOf;
template <> struct UnsignedOf<1> {
  using type = uint8_t;
};
template <> struct UnsignedOf<2> {
  using type = uint16_t;
};
template <> struct UnsignedOf<4> {
  using type = uint32_t;
};
template <> struct UnsignedOf<8> {
  using type = uint64_t;
};

template <class T> PTXSIM_INLINE T fromLane(LaneOf<T> lane) {
  using Bits = typename UnsignedOf<sizeof(T)>::type;
  return std::bit_cast<T>(Bits(lane));
}
template <class T> PTXSIM_INLINE LaneOf<T> toLane(T value) {
  using Bits = typename UnsignedOf<sizeof(T)>::type;
  return LaneOf<T>(std::bit_cast<Bits>(value));
}

/// Bit l at [l], so that masks and lanes meet in vector instructions.
template <class Lane> struct LaneBits {
  alignas(64) Lane bit[kLanes];
  constexpr LaneBits() : bit() {
    for (unsigned l = 0; l < kLanes; ++l) {
      bit[l] = Lane(1) << l;
    }
  }
};
template <class Lane> inline constexpr LaneBits<Lane> kLaneBits{};

template <class F, class D, class... S, size_t... I>
PTXSIM_INLINE Step runLanes(Warp &w, const Inst &in,
                            std::index_sequence<I...>) {
  LaneOf<D> *d = w.out<LaneOf<D>>(in.d[0]);
  std::tuple<const LaneOf<S> *...> s{w.in<LaneOf<S>>(in.s[I])...};
  F f;
  if (w.exec == kAllLanes) {
    PTXSIM_LANES
    for (unsigned l = 0; l < kLanes; ++l) {
      d[l] = toLane<D>(f(fromLane<S>(std::get<I>(s)[l])...));
    }
    return Step::Next;
  }
  for (Mask left = w.exec; left; left &= left - 1) {
    unsigned l = unsigned(std::countr_zero(left));
    d[l] = toLane<D>(f(fromLane<S>(std::get<I>(s)[l])...));
  }
  return Step::Next;
}

template <class F, class D, class... S> Step handler(Warp &w, const Inst &in) {
  return runLanes<F, D, S...>(w, in, std::index_sequence_for<S...>());
}
template <class F, class D, class... S>
PTXSIM_WIDE Step handlerWide(Warp &w, const Inst &in) {
  return runLanes<F, D, S...>(w, in, std::index_sequence_for<S...>());
}
template <class F, class D, class... S> Handler lanewise() {
  return hasWideLanes() ? handlerWide<F, D, S...> : handler<F, D, S...>;
}

/// A predicate from lanes: p = F{}(s...). Lanes that do not run have any value.
template <class F, class... S, size_t... I>
PTXSIM_INLINE Mask testLanes(Warp &w, const Inst &in,
                             std::index_sequence<I...>) {
  std::tuple<const LaneOf<S> *...> s{w.in<LaneOf<S>>(in.s[I])...};
  F f;
  Mask result = 0;
  for (unsigned l = 0; l < kLanes; ++l) {
    result |=
        f(fromLane<S>(std::get<I>(s)[l])...) ? kLaneBits<uint32_t>.bit[l] : 0;
  }
  return result;
}
template <class F, class... S>
PTXSIM_INLINE Mask testLanes(Warp &w, const Inst &in) {
  return testLanes<F, S...>(w, in, std::index_sequence_for<S...>());
}

} // namespace ptxsim

#endif // PTXSIM_OPS_LANEWISE_H
