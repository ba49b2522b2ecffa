//===- Kernels.cpp - Each kernel by itself, to PTX and machine code ------===//
#include "compiler/target/cuda/codegen/Assembler.h"
#include "compiler/target/cuda/codegen/Codegen.h"
#include "compiler/target/cuda/codegen/Machine.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/ThreadPool.h"

#include <mutex>

namespace decay::cuda {
namespace {

using mlir::LLVM::LLVMFuncOp;

bool isKernel(LLVMFuncOp function) {
  return function->hasAttr(mlir::NVVM::NVVMDialect::getKernelFuncAttrName());
}

/// A kernel on its way; each has a context, so that threads need not meet.
struct Job {
  KernelCode kernel;
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
};

/// An LLVM module with the kernel and whatever else is no kernel.
std::unique_ptr<llvm::Module> translate(mlir::gpu::GPUModuleOp all,
                                        LLVMFuncOp kernel,
                                        llvm::LLVMContext &context) {
  mlir::OpBuilder builder(all.getContext());
  mlir::OwningOpRef<mlir::gpu::GPUModuleOp> alone(
      mlir::gpu::GPUModuleOp::create(builder, all.getLoc(), all.getName()));
  builder.setInsertionPointToStart(alone->getBody());
  for (mlir::Operation &op : *all.getBody()) {
    auto function = llvm::dyn_cast<LLVMFuncOp>(op);
    if (!function || !isKernel(function) || function == kernel)
      builder.clone(op);
  }
  return mlir::translateModuleToLLVMIR(*alone, context, kernel.getName());
}

llvm::Expected<Job> prepare(mlir::gpu::GPUModuleOp all, LLVMFuncOp kernel) {
  Job job;
  job.kernel.name = kernel.getName().str();
  llvm::Expected<KernelLaunch> launch = kernelLaunch(kernel);
  if (!launch)
    return launch.takeError();
  job.kernel.launch = std::move(*launch);
  llvm::Expected<int64_t> operands = launchOperands(kernel);
  if (!operands)
    return operands.takeError();
  job.kernel.operands = *operands;
  job.context = std::make_unique<llvm::LLVMContext>();
  job.module = translate(all, kernel, *job.context);
  if (!job.module)
    return llvm::createStringError("the kernel '" + job.kernel.name +
                                   "' cannot be written as LLVM IR");
  prepareForMachine(*job.module);
  return job;
}

int64_t numberIn(llvm::StringRef said, llvm::StringRef pattern) {
  llvm::SmallVector<llvm::StringRef> matches;
  int64_t number = 0;
  if (llvm::Regex(pattern).match(said, &matches))
    matches[1].getAsInteger(10, number);
  return number;
}

KernelResources readResources(llvm::StringRef said) {
  KernelResources resources;
  resources.registers = numberIn(said, "Used ([0-9]+) registers");
  resources.staticSharedBytes = numberIn(said, "([0-9]+) bytes smem");
  resources.stackBytes = numberIn(said, "([0-9]+) bytes stack frame");
  resources.spillStoreBytes = numberIn(said, "([0-9]+) bytes spill stores");
  resources.spillLoadBytes = numberIn(said, "([0-9]+) bytes spill loads");
  llvm::SmallVector<llvm::StringRef> lines;
  said.split(lines, '\n', -1, /*KeepEmpty=*/false);
  for (llvm::StringRef line : lines)
    if (line.contains("(C7") || line.contains("warning"))
      resources.notes += (line.trim() + "\n").str();
  return resources;
}

llvm::Error finish(Job &job, llvm::StringRef assembler) {
  llvm::Expected<std::string> ptx = emitPtx(*job.module);
  job.module.reset();
  if (!ptx)
    return ptx.takeError();
  job.kernel.ptx = std::move(*ptx);
  if (assembler.empty())
    return llvm::Error::success();
  llvm::Expected<Assembled> assembled =
      assemble(assembler, job.kernel.name, job.kernel.ptx);
  if (!assembled)
    return assembled.takeError();
  job.kernel.cubin = std::move(assembled->cubin);
  job.kernel.resources = readResources(assembled->said);
  return llvm::Error::success();
}

llvm::Error finishAll(std::vector<Job> &jobs, llvm::StringRef assembler) {
  std::mutex lock;
  llvm::Error failures = llvm::Error::success();
  llvm::DefaultThreadPool pool(llvm::hardware_concurrency());
  for (Job &job : jobs)
    pool.async([&] {
      llvm::Error error = finish(job, assembler);
      std::lock_guard<std::mutex> guard(lock);
      failures = llvm::joinErrors(std::move(failures), std::move(error));
    });
  pool.wait();
  return failures;
}

} // namespace

mlir::gpu::GPUModuleOp kernelModule(mlir::ModuleOp module) {
  return module.lookupSymbol<mlir::gpu::GPUModuleOp>(kernelModuleName);
}

llvm::Expected<std::vector<KernelCode>> emitKernels(mlir::ModuleOp module,
                                                    KernelForm form) {
  std::string assembler;
  if (form == KernelForm::Cubin) {
    llvm::Expected<std::string> found = findAssembler();
    if (!found)
      return found.takeError();
    assembler = *found;
  }
  std::vector<Job> jobs;
  if (mlir::gpu::GPUModuleOp all = kernelModule(module))
    for (auto function : all.getBody()->getOps<LLVMFuncOp>()) {
      if (!isKernel(function))
        continue;
      llvm::Expected<Job> job = prepare(all, function);
      if (!job)
        return job.takeError();
      jobs.push_back(std::move(*job));
    }
  if (jobs.empty())
    return llvm::createStringError("the lowered module has no kernels");
  if (llvm::Error error = finishAll(jobs, assembler))
    return error;
  std::vector<KernelCode> kernels;
  for (Job &job : jobs)
    kernels.push_back(std::move(job.kernel));
  return kernels;
}

} // namespace decay::cuda
