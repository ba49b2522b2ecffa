//===- FilesTest.cpp ------------------------------------------------------===//

#include "runtime/core/Files.h"

#include "test/unit/runtime/TemporaryFolder.h"

#include <gtest/gtest.h>

using namespace decay::runtime;

TEST(Files, WritesAtomicallyAndReadsBack) {
  TemporaryFolder folder;
  auto path = folder.path() / "a.txt";
  EXPECT_TRUE(writeFileAtomic(path, "one").ok());
  EXPECT_TRUE(writeFileAtomic(path, "two").ok());
  EXPECT_EQ(*readFile(path), "two");
  EXPECT_EQ(*readFile(path, 3), "two");
  EXPECT_FALSE(readFile(path, 2).ok());
  EXPECT_EQ(
      std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Files, ErrorsNameThePath) {
  TemporaryFolder folder;
  auto missing = folder.path() / "none";
  Status status = readFile(missing).status();
  EXPECT_EQ(status.code(), StatusCode::World);
  EXPECT_EQ(status.message(),
            missing.string() + ": cannot open: No such file or directory");
  EXPECT_FALSE(readFile(folder.path()).ok());
  EXPECT_FALSE(MappedFile::open(missing).ok());
  EXPECT_FALSE(writeFileAtomic(missing / "x", "y").ok());
  EXPECT_FALSE(freeSpace(missing).ok());
}

TEST(Files, MapsBytes) {
  TemporaryFolder folder;
  auto path = folder.path() / "a";
  ASSERT_TRUE(writeFileAtomic(path, "bytes").ok());
  auto mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped.ok());
  MappedFile moved = std::move(*mapped);
  ASSERT_EQ(moved.bytes().size(), 5u);
  EXPECT_EQ(static_cast<char>(moved.bytes()[4]), 's');
  ASSERT_TRUE(writeFileAtomic(path, "").ok());
  EXPECT_TRUE(MappedFile::open(path)->bytes().empty());
}
