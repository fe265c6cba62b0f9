/* Prints the likeliest class of each picture. Handles are owned by std::unique_ptr and failures are
 * exceptions, as C++ has them; the library itself throws none.
 *   c++ -std=c++17 classify.cc $(pkg-config --cflags --libs vgg) -o classify
 *   ./classify model.safetensors photo.jpg photo.jpg */
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <vgg/vgg.h>

/* An owner of a handle, which it frees with the library's function. */
template <auto free_handle> struct Free {
    template <typename Handle> void operator()(Handle *handle) const {
        free_handle(handle);
    }
};
using Model = std::unique_ptr<vgg_model, Free<vgg_model_free>>;
using Predictor = std::unique_ptr<vgg_predictor, Free<vgg_predictor_free>>;

class Failure : public std::runtime_error {
  public:
    explicit Failure(const vgg_error &error) : std::runtime_error(error.message) {}
};

static Model load(const char *path) {
    vgg_error error;
    vgg_model *model = nullptr;
    if (vgg_model_load(path, nullptr, &model, &error) != VGG_OK)
        throw Failure(error);
    return Model(model);
}

static Predictor make_predictor(const vgg_model *model) {
    vgg_error error;
    vgg_predictor *predictor = nullptr;
    if (vgg_predictor_create(model, nullptr, &predictor, &error) != VGG_OK)
        throw Failure(error);
    return Predictor(predictor);
}

/* The likeliest classes of a picture, the first first: at most `top`. */
static std::vector<vgg_prediction> classify(vgg_predictor *predictor, const std::string &path,
                                            std::size_t top) {
    vgg_error error;
    std::vector<vgg_prediction> best(top);
    std::size_t found = 0;
    if (vgg_predict_file(predictor, path.c_str(), top, best.data(), &found, &error) != VGG_OK)
        throw Failure(error);
    best.resize(found);
    return best;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: classify MODEL IMAGE...\n");
        return 2;
    }
    try {
        const Model model = load(argv[1]);
        const Predictor predictor = make_predictor(model.get());
        for (const std::string &path : std::vector<std::string>(argv + 2, argv + argc)) {
            const vgg_prediction best = classify(predictor.get(), path, 1).front();
            const std::string name = best.label ? best.label : std::to_string(best.index);
            std::printf("%s: %s, %.0f %%\n", path.c_str(), name.c_str(), 100 * best.probability);
        }
    } catch (const Failure &failure) {
        std::fprintf(stderr, "classify: %s\n", failure.what());
        return 1;
    }
    return 0;
}
