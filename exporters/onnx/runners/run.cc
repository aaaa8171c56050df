// c++ -std=c++17 -I ORT/include -L ORT/lib run.cc -lonnxruntime -o run && ./run [FILE]   (ORT: onnxruntime's release)
// FILE holds raw samples, one behind the other: bytes for pixels, little-endian numbers else.
#include <onnxruntime_cxx_api.h>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  std::ifstream file(argc > 1 ? argv[1] : "sample.bin", std::ios::binary), names("labels.txt");
  std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
  std::vector<std::string> labels;
  for (std::string line; std::getline(names, line);) labels.push_back(line);
  Ort::Env env;
  Ort::Session session(env, "model.onnx", Ort::SessionOptions());
  Ort::AllocatorWithDefaultOptions memory;
  auto info = session.GetInputTypeInfo(0);
  auto type = info.GetTensorTypeAndShapeInfo().GetElementType();
  auto shape = info.GetTensorTypeAndShapeInfo().GetShape();
  size_t sample = type == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 ? 1 : type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 ? 8 : sizeof(float);
  for (size_t i = 1; i < shape.size(); i++) sample *= shape[i];
  shape[0] = bytes.size() / sample;
  auto cpu = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  auto input = Ort::Value::CreateTensor(cpu, bytes.data(), bytes.size(), shape.data(), shape.size(), type);
  auto taken = session.GetInputNameAllocated(0, memory), given = session.GetOutputNameAllocated(session.GetOutputCount() - 1, memory);
  const char *inputs[] = {taken.get()}, *outputs[] = {given.get()};
  auto answers = session.Run(Ort::RunOptions(), inputs, &input, 1, outputs, 1);
  bool choose = std::string(given.get()) == "probabilities";
  size_t width = answers[0].GetTensorTypeAndShapeInfo().GetElementCount() / shape[0];
  for (int64_t row = 0; row < shape[0]; row++) {
    const float* values = answers[0].GetTensorData<float>() + row * width;
    std::vector<float> answer(labels.size());  // of a mask, the mean of each class
    for (size_t i = 0; i < width; i++) answer[i * labels.size() / width] += values[i] * labels.size() / width;
    size_t best = std::max_element(answer.begin(), answer.end()) - answer.begin();
    for (size_t i = choose ? best : 0; i < (choose ? best + 1 : answer.size()); i++)
      std::printf("%s%s %.5f", i && !choose ? ", " : "", labels[i].c_str(), answer[i]);
    std::printf("\n");
  }
}
