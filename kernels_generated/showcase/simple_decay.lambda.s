loop_forward_2_avx512:
	pushq	%rbp
	pushq	%r15
	pushq	%r14
	pushq	%r13
	pushq	%r12
	pushq	%rbx
	movq	64(%rsp), %rax
	testq	%rax, %rax
	jle	.LBB2_6
	movq	80(%rsp), %r10
	movq	72(%rsp), %r11
	xorl	%r14d, %r14d
	vbroadcastss	.LCPI2_11(%rip), %zmm4
	jmp	.LBB2_2
	.p2align	4
.LBB2_5:
	incq	%r14
	cmpq	%rax, %r14
	je	.LBB2_6
.LBB2_2:
	testq	%r11, %r11
	jle	.LBB2_5
	movq	%r14, %r15
	imulq	%rcx, %r15
	leaq	(%rdx,%r15,4), %r15
	movq	%r14, %r13
	imulq	%r11, %r13
	movq	%r14, %r12
	imulq	%rsi, %r12
	leaq	(%rdi,%r12,4), %rbx
	movq	56(%rsp), %r12
	leaq	(%r12,%r13,4), %r13
	xorl	%ebp, %ebp
	.p2align	4
.LBB2_4:
	cmpq	%r10, %rbp
	movq	%rbx, %r12
	cmovlq	%r15, %r12
	vmovups	(%r12,%rbp,4), %zmm0
	vaddps	(%r9,%rbp,4), %zmm0, %zmm0
	vorps	.LCPI2_0(%rip){1to16}, %zmm0, %zmm1
	vbroadcastss	.LCPI2_1(%rip), %zmm2
	leaq	(%r15,%rbp,4), %r12
	vmaxps	%zmm1, %zmm2, %zmm1
	vbroadcastss	.LCPI2_2(%rip), %zmm2
	vbroadcastss	.LCPI2_3(%rip), %zmm3
	vfmadd213ps	%zmm2, %zmm1, %zmm3
	vsubps	%zmm3, %zmm2, %zmm2
	vfmadd231ps	.LCPI2_4(%rip){1to16}, %zmm2, %zmm1
	vfmadd231ps	.LCPI2_5(%rip){1to16}, %zmm2, %zmm1
	prefetcht1	(%r12,%r8,4)
	vpslld	$23, %zmm3, %zmm2
	vbroadcastss	.LCPI2_6(%rip), %zmm3
	vfmadd213ps	.LCPI2_7(%rip){1to16}, %zmm1, %zmm3
	vfmadd213ps	.LCPI2_8(%rip){1to16}, %zmm1, %zmm3
	vfmadd213ps	.LCPI2_9(%rip){1to16}, %zmm1, %zmm3
	vfmadd213ps	.LCPI2_10(%rip){1to16}, %zmm1, %zmm3
	vfmadd213ps	%zmm4, %zmm1, %zmm3
	vfmadd213ps	%zmm4, %zmm1, %zmm3
	vbroadcastss	.LCPI2_12(%rip), %zmm1
	vmulps	%zmm2, %zmm3, %zmm2
	vaddps	%zmm1, %zmm2, %zmm3
	vdivps	%zmm3, %zmm2, %zmm2
	vsubps	%zmm2, %zmm1, %zmm1
	vpmovd2m	%zmm0, %k1
	vmovaps	%zmm2, %zmm1 {%k1}
	vmovups	%zmm1, (%r13,%rbp,4)
	addq	$16, %rbp
	cmpq	%r11, %rbp
	jl	.LBB2_4
	jmp	.LBB2_5
.LBB2_6:
	popq	%rbx
	popq	%r12
	popq	%r13
	popq	%r14
	popq	%r15
	popq	%rbp
	vzeroupper
	retq
.Lfunc_end2:
