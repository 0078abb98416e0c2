/**
 * C = A·B by tensor cores, written by hand: a warp for each 16 rows, tiles of 16 of the common dimension copied ahead into two buffers by cp.async. A is of halves
 * [rows, k], B of halves [k, 8], C of floats [rows, 8]; `numbers` holds k, a multiple of 16.
 */
export const gemm = `.version 7.0
.target sm_80
.address_size 64
.visible .entry gemm(.param .u64 a, .param .u64 b, .param .u64 c, .param .u64 numbers)
.reqntid 32, 1, 1
{
  .shared .align 16 .b8 tile_a[1024]; // two buffers of 16 rows of 32 bytes
  .shared .align 16 .b8 tile_b[512];
  .reg .b64 %rd<12>;
  .reg .b32 %r<40>;
  .reg .f32 %f<5>;
  .reg .pred %p<4>;
  ld.param.u64 %rd1, [a];
  ld.param.u64 %rd2, [b];
  ld.param.u64 %rd3, [c];
  ld.param.u64 %rd4, [numbers];
  ld.global.u32 %r1, [%rd4];
  mov.u32 %r2, %tid.x;
  mov.u32 %r3, %ctaid.x;
  // what this lane copies: half a row of A, and lanes 0 to 15 a row of B
  shr.u32 %r4, %r2, 1;
  and.b32 %r5, %r2, 1;
  mad.lo.u32 %r6, %r3, 16, %r4;
  mul.lo.u32 %r7, %r6, %r1;
  mad.lo.u32 %r7, %r5, 8, %r7;
  mad.wide.u32 %rd5, %r7, 2, %rd1;
  mad.wide.u32 %rd6, %r2, 16, %rd2;
  mov.u32 %r8, tile_a;
  mad.lo.u32 %r8, %r2, 16, %r8;
  mov.u32 %r9, tile_b;
  mad.lo.u32 %r9, %r2, 16, %r9;
  setp.lt.u32 %p1, %r2, 16;
  // what it loads: a row of one of the four matrices of A, and of the two of B
  and.b32 %r10, %r2, 15;
  shr.u32 %r11, %r2, 4;
  mov.u32 %r12, tile_a;
  mad.lo.u32 %r12, %r10, 32, %r12;
  mad.lo.u32 %r12, %r11, 16, %r12;
  mov.u32 %r13, tile_b;
  mad.lo.u32 %r13, %r10, 16, %r13;
  mov.f32 %f1, 0f00000000;
  mov.f32 %f2, 0f00000000;
  mov.f32 %f3, 0f00000000;
  mov.f32 %f4, 0f00000000;
  cp.async.cg.shared.global [%r8], [%rd5], 16;
  @%p1 cp.async.cg.shared.global [%r9], [%rd6], 16;
  cp.async.commit_group;
  mov.u32 %r14, 0;
  mov.u32 %r15, 0; // which buffer
LOOP:
  add.u32 %r16, %r14, 16;
  setp.ge.u32 %p2, %r16, %r1;
  xor.b32 %r17, %r15, 1;
  @%p2 bra LAST;
  mad.lo.u32 %r18, %r17, 512, %r8;
  mad.wide.u32 %rd7, %r16, 2, %rd5;
  cp.async.cg.shared.global [%r18], [%rd7], 16;
  mad.lo.u32 %r19, %r17, 256, %r9;
  mad.wide.u32 %rd8, %r16, 16, %rd6;
  @%p1 cp.async.cg.shared.global [%r19], [%rd8], 16;
LAST:
  cp.async.commit_group;
  cp.async.wait_group 1;
  bar.sync 0; // all copies are there
  mad.lo.u32 %r20, %r15, 512, %r12;
  mad.lo.u32 %r21, %r15, 256, %r13;
  ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r22, %r23, %r24, %r25}, [%r20];
  ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%r26, %r27}, [%r21];
  mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r22, %r23, %r24, %r25}, {%r26, %r27}, {%f1, %f2, %f3, %f4};
  bar.sync 0; // all are done with the buffer
  mov.u32 %r14, %r16;
  mov.u32 %r15, %r17;
  @!%p2 bra LOOP;
  // lane 4g + t holds rows g and g + 8, columns 2t and 2t + 1
  shr.u32 %r28, %r2, 2;
  and.b32 %r29, %r2, 3;
  mad.lo.u32 %r30, %r3, 16, %r28;
  mul.lo.u32 %r31, %r30, 8;
  mad.lo.u32 %r31, %r29, 2, %r31;
  mad.wide.u32 %rd9, %r31, 4, %rd3;
  st.global.v2.f32 [%rd9], {%f1, %f2};
  st.global.v2.f32 [%rd9+256], {%f3, %f4};
  ret;
}
`
